"""`codec.down=chain`: workers follow links, and whatever happens to these, the weights are those of `ganns solo`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ganns.config import GradientStrategy, HomeCodec, LocalStepsStrategy, ModelConfig, QuorumConfig, StopConfig
from ganns.coordinator import publisher
from ganns.coordinator import rounds as protocol
from ganns.coordinator.state_files import StateFiles
from ganns.store import worker_api
from ganns.training.chain import LONGEST, digest_of
from tasks import weights_cache
from tests.coordinator.test_faults import finish_run, wait_for_job
from tests.coordinator.test_resume import work_until
from tests.coordinator.test_weights import task  # noqa: F401 (a fixture)
from tests.support.fakes import break_step, solo_digest, tiny
from tests.support.helpers import wait_until

PIPELINE = GradientStrategy(unit_images=8, micro_batch=8, pipeline=True)
LOCAL = LocalStepsStrategy(unit_images=8, micro_batch=4)
LARGER = ModelConfig(image_size=32, latent_dim=8, features_g=8, features_d=8)  # a whole version has six links' bytes
WHOLE = "api_weights"


def chained(**changes):
    return tiny(codec=HomeCodec(), **changes)


@pytest.fixture
def fetched(monkeypatch) -> Iterator[list[tuple[str, int]]]:
    """What workers fetch, in order: (query, version)."""
    found: list[tuple[str, int]] = []
    download = weights_cache.download

    def note(use, one, speed):
        found.append((one.name, one.version))
        return download(use, one, speed)

    monkeypatch.setattr(weights_cache, "download", note)
    return found


def links(*versions: int) -> list[tuple[str, int]]:
    return [("api_link", version) for version in versions]


@pytest.mark.parametrize(
    "strategy",
    [
        pytest.param(tiny().strategy, id="gradient", marks=pytest.mark.slow),
        pytest.param(PIPELINE, id="pipeline"),
        pytest.param(LOCAL, id="local_steps"),
    ],
)
def test_a_worker_fetches_one_whole_version_and_then_links(coordinate, join, conn, fetched, strategy):
    config = chained(strategy=strategy, stop=StopConfig(rounds=5))
    coordinator = coordinate(config)
    finish_run(coordinator, join())
    assert coordinator.digest == solo_digest(config)
    assert coordinator.digest != solo_digest(tiny(strategy=strategy, stop=StopConfig(rounds=5)))
    assert fetched == [(WHOLE, 0), *links(*range(1, 4 if strategy is PIPELINE else 5))]
    down = conn.execute("SELECT array_agg(bytes_down ORDER BY round) FROM ganns.metrics").fetchone()[0]
    assert max(down[2:]) < down[0] / 2


def test_the_real_task_follows_links_and_loads_a_version_once(coordinate, join, fetched, task, monkeypatch):  # noqa: F811
    config, loaded = chained(stop=StopConfig(rounds=3)), []
    coordinator, worker = coordinate(config), join()
    load = weights_cache.WeightsCache.fetch

    def note(cache, use, version, speed):
        load(cache, use, version, speed)
        loaded.append(cache.digest)

    monkeypatch.setattr(weights_cache.WeightsCache, "fetch", note)

    def turn() -> bool:
        if (job := worker.fetch()) is not None:
            task(worker, job)
            worker.finish(job)
        return not coordinator.thread.is_alive()

    wait_until(turn, what="the end of the run")
    coordinator.join()
    assert coordinator.digest == solo_digest(config)
    assert fetched == [(WHOLE, 0), *links(1, 2)]
    assert (len(loaded), len(set(loaded))) == (6, 3)


def work_units(worker, num: int, coordinator, version: int) -> None:
    """Compute `num` units and no more, and wait until the version is published."""
    for _ in range(num):
        worker.work(wait_for_job(worker))
    wait_until(lambda: coordinator.reports and coordinator.reports[-1].version == version, what=f"version {version}")


@pytest.mark.parametrize("missed", [5, pytest.param(LONGEST + 1, marks=pytest.mark.slow)])
def test_missed_versions_are_caught_up_with_the_fewest_bytes(coordinate, join, conn, fetched, missed):
    config = chained(model=LARGER, stop=StopConfig(rounds=missed + 2))
    coordinator, quick, slow = coordinate(config), join("quick"), join("slow")
    slow.work(wait_for_job(slow))
    work_units(quick, 2 * missed - 1, coordinator, missed)
    del fetched[:]
    slow.work(wait_for_job(slow))
    rows = worker_api.list_published(conn, coordinator.run_id, missed)
    assert [one.version for one in rows] == list(range(max(0, missed - LONGEST + 1), missed + 1))
    assert 5 * rows[-1].link_bytes < rows[-1].size_bytes
    assert fetched == (links(1, 2, 3, 4, 5) if missed == 5 else [(WHOLE, missed)])
    finish_run(coordinator, quick)
    assert coordinator.digest == solo_digest(config)
    assert conn.execute("SELECT count(DISTINCT version) FROM ganns.links").fetchone()[0] == LONGEST


CHANGED = "set_byte(data, length(data) - 9, 255 - get_byte(data, length(data) - 9))"
DAMAGES = {
    "emptied tables": "TRUNCATE ganns.weights, ganns.links, ganns.results, ganns.result_parts",
    "no links": "TRUNCATE ganns.links",
    "another start": "UPDATE ganns.versions SET link_from = md5('') WHERE link_from IS NOT NULL",
    "another change": f"UPDATE ganns.links SET data = {CHANGED}",
    "cut off": "UPDATE ganns.links SET data = substring(data FOR length(data) - 1)",
    "no tensors": "UPDATE ganns.links SET data = decode(repeat('ff', length(data)), 'hex')",
}


@pytest.mark.parametrize(
    "damage",
    [
        *("emptied tables", "another start", "another change"),
        *(pytest.param(one, marks=pytest.mark.slow) for one in ("no links", "cut off", "no tensors")),
    ],
)
def test_whatever_happens_to_a_link_nothing_else_is_trained_on(coordinate, join, conn, fetched, damage):
    config = chained(stop=StopConfig(rounds=4))
    coordinator, worker = coordinate(config), join()
    work_units(worker, 4, coordinator, 2)
    assert fetched == [(WHOLE, 0), *links(1)]
    conn.execute(DAMAGES[damage])
    wait_until(worker.weights_there, what="the weights")
    del fetched[:]
    finish_run(coordinator, worker)
    # After a crash the coordinator, which still has its link, uploads this again, too.
    expected = {"emptied tables": links(2), "another start": [(WHOLE, 2)]}
    assert fetched == [*expected.get(damage, [*links(2), (WHOLE, 2)]), *links(3)]
    assert coordinator.digest == solo_digest(config)


POINTS = [(StateFiles, "save"), (publisher.weights, "upload_link"), (protocol.rounds, "close_round")]
QUICK = {("upload_link", True), ("close_round", False)}


@pytest.mark.parametrize(
    ("where", "name", "here"),
    [
        pytest.param(where, name, here, marks=[] if (name, here) in QUICK else pytest.mark.slow)
        for where, name in POINTS
        for here in (True, False)
    ],
)
def test_a_coordinator_that_ends_in_the_middle_of_a_chain(
    coordinate, join, monkeypatch, tmp_path, fetched, where, name, here
):
    """It breaks off right after the fourth call. The next one goes on from its files, or from the beginning.

    The worker has what its links led to, which is the same again.
    """
    config, calls, function = chained(strategy=PIPELINE, stop=StopConfig(rounds=7)), [], getattr(where, name)

    def then_break(*args, **kwargs):
        found = function(*args, **kwargs)
        calls.append(name)
        if len(calls) == 4:
            raise ConnectionAbortedError(name)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(where, name, then_break)
        first, worker = coordinate(config), join()
        work_until(worker, lambda: not first.thread.is_alive())
    with pytest.raises(ConnectionAbortedError, match=name):
        first.join()
    if not here:
        monkeypatch.setenv("GANNS_HOME", str(tmp_path))
    second = coordinate(chained(strategy=PIPELINE, stop=StopConfig(rounds=7), resume="latest"))
    finish_run(second, worker)
    assert any("going on from its beginning" in text for text in second.said) == (not here)
    assert second.digest == solo_digest(config)
    assert fetched[-1] == ("api_link", 5)


def test_after_a_going_back_a_new_chain_begins(coordinate, join, conn, monkeypatch, fetched):
    broken = break_step(monkeypatch, 2)
    coordinator, worker = coordinate(chained(stop=StopConfig(rounds=5))), join()
    finish_run(coordinator, worker)
    assert broken == [2]
    starts = conn.execute("SELECT array_agg(link_from IS NULL ORDER BY version) FROM ganns.versions").fetchone()[0]
    assert starts == [True, False, True, False, False, False]
    assert fetched == [(WHOLE, 0), *links(1), (WHOLE, 2), *links(3, 4)]
    [digest] = conn.execute("SELECT digest FROM ganns.versions WHERE version = 4").fetchone()
    assert digest_of(worker.chains[1].weights) == digest


def test_a_late_worker_joins_in_the_middle(coordinate, join, fetched):
    config = chained(quorum=QuorumConfig(units=3), stop=StopConfig(rounds=4))
    coordinator, worker = coordinate(config), join()
    work_units(worker, 6, coordinator, 2)
    late = join("late")
    del fetched[:]
    late.work(wait_for_job(late))
    assert fetched == [(WHOLE, 2)]
    finish_run(coordinator, late)
    assert fetched == [(WHOLE, 2), ("api_link", 3)]
    assert coordinator.digest == solo_digest(config)
