"""Workers fetch the weights from a store: whatever the store does, the final weights are those of `ganns solo`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ganns.config import HomeCodec, Int8Codec, LocalStepsStrategy, NoStore, StopConfig
from ganns.data.http.client import Timeouts
from ganns.db.address import Address
from ganns.db.connect import Connection
from ganns.queue.runner import Context
from ganns.store.weight_places import WebPlaces, find_places
from ganns.store.worker_api import WeightsDownload
from ganns.utils.backoff import Rest
from tasks import gradient as recipe
from tasks import run_cache
from tasks.gradient import gradient
from tasks.run_cache import RunCache
from tests.coordinator.test_pipeline import PIPELINE
from tests.support.coordinators import Coordinator
from tests.support.fakes import solo_digest, tiny
from tests.support.helpers import wait_until, workers
from tests.support.s3 import KEY, SECRET, S3Server, require_packages

require_packages()
Coordinate = Callable[..., Coordinator]


@pytest.fixture
def from_database(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The versions that this process fetched from the database, in order."""
    fetched: list[int] = []
    fetch = WeightsDownload.run

    def run(download: WeightsDownload, conn: Connection) -> None:
        fetch(download, conn)
        fetched.append(download.version)

    monkeypatch.setattr(WeightsDownload, "run", run)
    return fetched


@pytest.fixture
def no_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    """What failed is tried again at once."""
    monkeypatch.setattr(Rest.__init__, "__defaults__", (0.0, 0.0, 0, 0.0))


@pytest.fixture
def turn(database: Address, join: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], bool]]:
    """Return a function that does the next unit by the real task in this process, and tells whether there was one."""
    monkeypatch.setenv("GANNS_DATABASE_URL", database.conninfo)
    monkeypatch.setattr(run_cache, "WebPlaces", functools.partial(WebPlaces, "", Timeouts(1.0, 0.2)))
    cache, worker = RunCache(), join()
    monkeypatch.setattr(recipe, "get_run_cache", lambda: cache)

    def one() -> bool:
        if job := worker.fetch():
            context = SimpleNamespace(should_abort=lambda: False)
            gradient(Context(gradient, job.id, job.attempt, 0, worker.id, context), **job.args)  # type: ignore[arg-type]
            worker.finish(job)
        return job is not None

    yield one
    cache._shared.close()


def work_until(turn: Callable[[], bool], predicate: Callable[[], object], what: str = "the rounds") -> None:
    """Do unit after unit."""

    def one() -> object:
        turn()
        return predicate()

    wait_until(one, what=what)


def finish(coordinator: Coordinator, turn: Callable[[], bool]) -> None:
    """Do unit after unit until the run ends."""
    work_until(turn, lambda: not coordinator.thread.is_alive(), "the end of the run")
    coordinator.join()


def test_workers_fetch_from_the_store_and_the_database_alone_coordinates(
    coordinate: Coordinate, turn: Callable[[], bool], s3: S3Server, conn: Connection, from_database: list[int]
) -> None:
    config = tiny(store=s3.settings(), stop=StopConfig(rounds=5))
    coordinator = coordinate(config)
    finish(coordinator, turn)
    assert coordinator.digest == solo_digest(config)
    assert s3.served["GET"] == 5  # versions 0 to 4, once each
    assert from_database == []
    kept = [version for (version,) in conn.execute("SELECT DISTINCT version FROM ganns.weights ORDER BY 1")]
    assert [int(name.partition("-")[0]) for name in s3.blobs()] == kept == [4, 5]
    assert conn.execute("SELECT array_agg(version ORDER BY version) FROM ganns.weight_places").fetchone() == (kept,)
    rows = conn.execute("SELECT r::text FROM ganns.runs r UNION ALL SELECT v::text FROM ganns.versions v").fetchall()
    assert len(rows) == 7
    texts = [*(text for (text,) in rows), *coordinator.said]
    assert not [text for text in texts if KEY in text or SECRET in text or "Signature" in text]


def test_a_404_a_time_out_wrong_bytes_and_a_store_that_is_gone(
    coordinate: Coordinate, turn: Callable[[], bool], s3: S3Server, from_database: list[int], no_rests: None
) -> None:
    """Each is met once, in one run, at the versions 0, 1, 2 and 4."""
    s3.faults["GET"].extend(["missing", "stall", "garble"])
    config = tiny(store=s3.settings(), codec=Int8Codec(), stop=StopConfig(rounds=6))
    coordinator = coordinate(config)
    work_until(turn, lambda: s3.served["GET"] == 2)  # the wrong bytes of version 2, and those of 3
    s3.stop()
    finish(coordinator, turn)
    assert s3.fired == {"missing": 1, "stall": 1, "garble": 1}
    assert coordinator.digest == solo_digest(config)
    assert from_database == [0, 1, 2, 4, 5]
    said = [text for text in coordinator.said if "the store" in text]
    assert len(said) == 2
    assert "the store takes no weights (no connection): workers fetch them from the database" in "".join(said)
    assert "old weights stay in the store for now (no " in "".join(said)  # no answer in time, if its end meets one


def test_a_store_that_takes_nothing_costs_no_round(
    coordinate: Coordinate, turn: Callable[[], bool], s3: S3Server, conn: Connection, from_database: list[int]
) -> None:
    """It rests after the first refusal; a version without a place is one that the database alone has."""
    s3.always["PUT"] = "refuse"
    config = tiny(store=s3.settings())
    coordinator = coordinate(config)
    finish(coordinator, turn)
    assert s3.fired == {"refuse": 1}
    assert coordinator.digest == solo_digest(config)
    assert from_database == [0, 1, 2]
    assert coordinator.run_id is not None
    assert find_places(conn, coordinator.run_id, 3) is None


@pytest.mark.slow
@pytest.mark.parametrize("change", ["pipeline", "local steps"])
def test_other_strategies_through_the_store(
    coordinate: Coordinate, turn: Callable[[], bool], s3: S3Server, from_database: list[int], change: str
) -> None:
    local = LocalStepsStrategy(unit_images=12, micro_batch=4)
    strategy = {"pipeline": PIPELINE, "local steps": local}[change]
    config = tiny(store=s3.settings(), strategy=strategy, codec=HomeCodec(down="int8"), stop=StopConfig(rounds=4))
    coordinator = coordinate(config)
    finish(coordinator, turn)
    assert coordinator.digest == solo_digest(config)
    assert from_database == []


@pytest.mark.slow
def test_a_crash_of_the_server_and_a_resume_without_the_store(
    coordinate: Coordinate, turn: Callable[[], bool], s3: S3Server, conn: Connection, from_database: list[int]
) -> None:
    """A crash empties the UNLOGGED places: the same bytes are put again, under the same name."""
    config = tiny(store=s3.settings(), stop=StopConfig(rounds=9))
    coordinator = coordinate(config)
    for _ in range(5):  # the last one is the first unit of round 2, which stays open
        wait_until(turn, what="a unit")
    wait_until(lambda: len(s3.blobs()) == 2, what="the cleanup")
    before = s3.blobs()
    conn.execute("TRUNCATE ganns.weights, ganns.weight_places")
    found = "SELECT max(version) FROM ganns.weight_places"
    wait_until(lambda: conn.execute(found).fetchone() == (2,), what="the places again")
    assert s3.blobs() == before
    coordinator.stop.set()
    coordinator.join()
    resumed = coordinate(tiny(resume="latest", store=NoStore(), stop=StopConfig(rounds=9)))
    finish(resumed, turn)
    assert resumed.digest == solo_digest(config)
    assert s3.served["PUT"] == 4  # versions 0, 1, 2, and 2 again
    assert from_database == [3, 4, 5, 6, 7, 8]


@pytest.mark.slow
def test_real_workers_and_a_store_that_goes_and_comes_back(
    coordinate: Coordinate, database: Address, tmp_path: Path, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Rest.__init__, "__defaults__", (0.3, 0.3, 0, 0.0))  # the coordinator's
    config = tiny(store=s3.settings(), stop=StopConfig(rounds=400))
    with workers(database, 2, tmp_path):
        coordinator = coordinate(config)
        wait_until(lambda: s3.served["GET"] >= 4, what="the first versions")
        s3.stop()
        wait_until(lambda: any("takes no weights" in text for text in coordinator.said), what="the loss")
        s3.start()
        wait_until(lambda: "the store takes weights again" in coordinator.said, what="the return")
        rounds = len(coordinator.reports) + 3
        wait_until(lambda: len(coordinator.reports) >= rounds, what="further rounds")
        coordinator.stop.set()
        coordinator.join()
    finished = len(coordinator.reports)
    assert coordinator.digest == solo_digest(tiny(stop=StopConfig(rounds=finished)))


@pytest.mark.slow
def test_real_workers_leave_a_store_that_does_not_answer(
    coordinate: Coordinate, database: Address, tmp_path: Path, s3: S3Server
) -> None:
    """With the real times: each worker waits for 5 s once, and then leaves the store alone."""
    s3.always["GET"] = "stall"
    config = tiny(store=s3.settings(), stop=StopConfig(rounds=10))
    with workers(database, 2, tmp_path):
        coordinator = coordinate(config).join(120)
    assert 1 <= s3.fired["stall"] <= 2
    assert s3.served["GET"] == 0
    assert coordinator.digest == solo_digest(config)
    logs = "".join(path.read_text() for path in tmp_path.glob("worker-*.log"))
    assert f"no weights from {s3.url}: the server was silent for too long; trying the next place" in logs
    assert "Signature" not in logs
