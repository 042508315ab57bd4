"""The weights that an open round needs stay in the database; a unit of a closed round ends without them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ganns.config import Int8Codec, StopConfig
from ganns.coordinator.reconciler import Reconciler
from ganns.errors import Retry, WeightsMissing
from ganns.queue.runner import Context
from ganns.store import control, results, weights
from tasks import gradient as recipe
from tasks.gradient import gradient
from tasks.run_cache import CachedRun, RunCache
from tests.coordinator.test_commands import pause_it
from tests.coordinator.test_faults import finish_run, wait_for_job
from tests.coordinator.test_pipeline import PIPELINE, open_rounds
from tests.support.fakes import solo_digest, tiny
from tests.support.helpers import wait_until

both = pytest.mark.parametrize("strategy", [tiny().strategy, PIPELINE], ids=["gradient", "pipeline"])


def stored(conn) -> list[int]:
    """Return the versions whose weights are in the database."""
    return [version for (version,) in conn.execute("SELECT DISTINCT version FROM ganns.weights ORDER BY 1")]


@pytest.fixture
def task(database, monkeypatch):
    """Return a function that runs the real task, with its own connection, for a job that a fake worker fetched."""
    monkeypatch.setenv("GANNS_DATABASE_URL", database.conninfo)
    cache = RunCache()
    monkeypatch.setattr(recipe, "get_run_cache", lambda: cache)

    def run(worker, job):
        going_on = SimpleNamespace(should_abort=lambda: False)
        gradient(Context(gradient, job.id, job.attempt, 0, worker.id, going_on), **job.args)

    yield run
    cache.close()


@both
def test_a_unit_whose_round_closed_before_the_weights_were_fetched_ends_quietly(
    coordinate, join, conn, monkeypatch, strategy, task
):
    config = tiny(strategy=strategy, stop=StopConfig(rounds=6))
    coordinator, slow, quick, fetched = coordinate(config), join("slow"), join("quick"), []
    job, load = wait_for_job(slow), CachedRun.load_version

    def load_late(bench, connection, version, speed):  # the job is claimed; now others compute its unit, and many more
        slow.fall_silent()
        finish_run(coordinator, quick)
        assert 0 not in stored(conn)
        fetched.append(version)
        load(bench, connection, version, speed)

    monkeypatch.setattr(CachedRun, "load_version", load_late)
    task(slow, job)  # raises nothing: no warning, no second attempt
    assert fetched == [0]
    assert coordinator.digest == solo_digest(config)


def test_weights_of_an_open_round_that_a_crash_took_are_waited_for(coordinate, join, conn, monkeypatch, task):
    monkeypatch.setattr(Reconciler, "reconcile_weights", lambda *args: None)
    coordinate(tiny())
    worker = join()
    job = wait_for_job(worker)
    conn.execute("TRUNCATE ganns.weights")
    with pytest.raises(Retry, match="WeightsMissing") as caught:
        task(worker, job)
    assert isinstance(caught.value.__cause__, WeightsMissing)
    assert not caught.value.counts


def test_weights_that_are_published_again_are_the_same_bytes(coordinate, join, conn):
    """`codec.down=int8`: the published weights follow from the exact ones alone, also after a crash of the server."""
    config = tiny(codec=Int8Codec())
    coordinator, worker = coordinate(config), join()
    job = wait_for_job(worker)
    digests = "SELECT digest FROM ganns.versions WHERE version = 0"
    before = conn.execute(digests).fetchone()
    conn.execute("TRUNCATE ganns.weights")
    wait_until(worker.weights_there, what="the weights again")
    assert conn.execute(digests).fetchone() == before
    assert worker.work(job) == "stored"
    finish_run(coordinator, worker)
    assert coordinator.digest == solo_digest(config)


@both
def test_cleaning_up_keeps_what_an_open_round_needs(coordinate, join, conn, strategy):
    """A coordinator that slept may be ahead of the run: the database decides which rounds are open."""
    coordinator, worker = coordinate(tiny(strategy=strategy)), join()
    for _ in range(2):
        worker.work(wait_for_job(worker))
    wait_until(lambda: coordinator.reports, what="the end of round 0")
    assert worker.work(wait_for_job(worker)) == "stored"  # of round 1, which waits for one more
    run_id, (generation,) = coordinator.run_id, conn.execute("SELECT generation FROM ganns.runs").fetchone()
    needed = sorted({version for _, version in open_rounds(conn)})
    found = results.list_results(conn, run_id, 1)
    assert len(found) == 1
    results.forget_results(conn, run_id, 100)
    weights.forget_weights(conn, run_id, 100, generation, 2)
    assert stored(conn) == needed
    assert results.list_results(conn, run_id, 1) == found
    finish_run(coordinator, worker)
    weights.forget_weights(conn, run_id, 100, generation - 1, 2)  # an older coordinator: these are not its weights
    assert stored(conn)
    weights.forget_weights(conn, run_id, 100, generation, 2)
    assert stored(conn) == []


def test_a_round_is_opened_when_the_weights_that_it_needs_are_there(coordinate, join, conn, monkeypatch):
    """After a pause two rounds are opened at once, one of them at the version before: it must not come later."""
    config = tiny(strategy=PIPELINE, stop=StopConfig(rounds=9))
    coordinator, worker = coordinate(config), join()
    pause_it(coordinator, worker, conn)
    conn.execute("TRUNCATE ganns.weights")  # a crash of the server
    reconcile, missing = Reconciler.reconcile, []

    def look(upkeep, round_):
        if open_rounds(conn) and not worker.weights_there():
            missing.append(open_rounds(conn))
        return reconcile(upkeep, round_)

    monkeypatch.setattr(Reconciler, "reconcile", look)
    control.resume(conn, coordinator.run_id, "ann")
    wait_until(lambda: open_rounds(conn), what="the rounds after the pause")
    finish_run(coordinator, worker)
    assert missing == []
    assert coordinator.digest == solo_digest(config)
