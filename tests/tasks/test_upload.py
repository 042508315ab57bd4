"""A result is uploaded while the next unit of its round is computed, and what goes wrong then is one unit's."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import SimpleNamespace

import psycopg
import pytest

from benchmarks.relay import relayed
from ganns.config import GradientStrategy, HomeCodec, LocalStepsStrategy, QuorumConfig, StopConfig
from ganns.db.pieces import LinkSpeed
from ganns.errors import Retry
from ganns.queue import machine
from ganns.queue.runner import Context
from ganns.store.results import PartUpload
from tasks import gradient as recipe
from tasks import run_cache, upload
from tasks.gradient import gradient
from tasks.run_cache import RunCache
from tasks.upload import ResultUpload
from tests.coordinator.test_faults import finish_run, wait_for_job
from tests.support.fakes import FakeWorker, Job, solo_digest, tiny
from tests.support.helpers import wait_until
from tests.support.invariants import broken

LOCAL = LocalStepsStrategy(unit_images=8, micro_batch=4)


class Process:
    """A worker process: the real task on threads. Uploads wait at a gate, so a test decides when they go."""

    def __init__(self) -> None:
        self.cache = RunCache()
        self.pool = ThreadPoolExecutor(2)
        self.gate = threading.Event()
        self.only_wait: list[int] = []  # jobs that are computed, and whose upload waits
        self.sent: list[int] = []

    def start(self, worker: FakeWorker, job: Job) -> Future[None]:
        """Compute a job's unit, and send its result."""
        abort = SimpleNamespace(should_abort=lambda: False)
        context = Context(gradient, job.id, job.attempt, 0, worker.id, abort, self.only_wait.append)
        return self.pool.submit(gradient, context, **job.args)

    def compute(self, worker: FakeWorker) -> tuple[Job, Future[None]]:
        """Take a job, and compute until its upload waits."""
        job = wait_for_job(worker)
        started = self.start(worker, job)
        wait_until(lambda: job.id in self.only_wait or started.done(), what="a computed unit")
        assert job.id in self.only_wait, started.result()
        return job, started


@pytest.fixture
def process(database, monkeypatch) -> Iterator[Process]:
    """Each upload takes long, whatever the link; a test opens the gate."""
    monkeypatch.setenv("GANNS_DATABASE_URL", database.conninfo)
    monkeypatch.setattr(machine, "_figures", {})  # of this process: no other test's
    monkeypatch.setattr(upload, "SHORT_S", 0.0)
    monkeypatch.setattr(ResultUpload, "seconds_left", lambda self: 0.0)
    one, put = Process(), ResultUpload._put

    def put_later(self: ResultUpload, role: str, part: object) -> None:
        assert one.gate.wait(60)
        put(self, role, part)
        if role == "g":
            one.sent.append(self._job[0])

    monkeypatch.setattr(ResultUpload, "_put", put_later)
    monkeypatch.setattr(recipe, "get_run_cache", lambda: one.cache)
    yield one
    one.gate.set()
    one.pool.shutdown()
    one.cache.close()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"strategy": LOCAL, "codec": HomeCodec()},
        {"strategy": GradientStrategy(unit_images=8, micro_batch=4, pipeline=True), "codec": HomeCodec()},
    ],
    ids=["gradient", "local_steps", "pipeline"],
)
def test_the_next_unit_is_computed_while_a_result_is_uploaded(coordinate, join, conn, process, changes):
    config = tiny(**changes, stop=StopConfig(rounds=4))
    coordinator, worker = coordinate(config), join()
    for _ in range(4):
        process.gate.clear()
        process.sent.clear()
        held = [process.compute(worker) for _ in range(2)]  # a round's two units
        assert process.sent == []
        process.gate.set()
        for job, started in held:
            started.result(60)
            worker.finish(job)
        assert process.sent == [job.id for job, _ in held]
    coordinator.join()
    assert coordinator.digest == solo_digest(config)
    overlap = "SELECT count(*) FROM ganns.ledger a JOIN ganns.ledger b ON b.claimed_at > a.claimed_at "
    assert conn.execute(overlap + "AND b.claimed_at < a.submitted_at AND a.round = b.round").fetchone() == (4,)


def test_a_connection_that_dies_in_an_upload_beside_a_computation(
    database, coordinate, join, conn, process, monkeypatch
):
    """The upload goes on where it was cut, and the unit that was computed meanwhile follows."""
    config = tiny(stop=StopConfig(rounds=1))
    with relayed(database) as (address, relay):
        monkeypatch.setenv("GANNS_DATABASE_URL", address.conninfo)
        coordinator, worker = coordinate(config), join()
        job, started = process.compute(worker)
        other = wait_for_job(worker)
        beside = process.start(worker, other)
        claimed = "SELECT 1 FROM ganns.units WHERE job_id = %s AND claimed_by IS NOT NULL"
        wait_until(lambda: conn.execute(claimed, (other.id,)).fetchone(), what="the claim")
        wait_until(lambda: process.cache._second._busy_since is None, what="its answer")
        relay.cut_up.append(relay.num_up + 20_000)
        process.gate.set()
        started.result(60)
        beside.result(60)
        assert relay.num_cuts == 1
        for each in (job, other):
            worker.finish(each)
        coordinator.join()
    assert coordinator.digest == solo_digest(config)


def test_an_upload_that_fails_is_the_failure_of_its_own_unit(coordinate, join, process, monkeypatch):
    config = tiny(stop=StopConfig(rounds=1))
    coordinator, worker, failed = coordinate(config), join(), []
    job, started = process.compute(worker)
    send = PartUpload.run

    def send_or_fail(self, conn):
        if self._key == {"job_id": job.id, "attempt": job.attempt, "role": "g"}:
            failed.append("g")
            error = psycopg.errors.ProgramLimitExceeded("the link is gone")
            error.sqlstate = "54000"  # it is not tried again
            raise error
        send(self, conn)

    monkeypatch.setattr(PartUpload, "run", send_or_fail)
    other, beside = process.compute(worker)
    process.gate.set()
    with pytest.raises(Retry, match="the link is gone") as caught:
        started.result(60)
    assert not caught.value.counts  # the worker's link, not the unit
    assert failed == ["g"]
    beside.result(60)
    worker.finish(other)
    worker.one("SELECT ganns_api.task_retry(%s, %s, 0, NULL, false, NULL, NULL, NULL, NULL)", job.id, job.attempt)
    finish_run(coordinator, worker)
    assert coordinator.digest == solo_digest(config)


def test_a_round_that_closes_meanwhile_makes_both_units_late(coordinate, join, conn, process):
    config = tiny(quorum=QuorumConfig(units=1, spares=2), stop=StopConfig(rounds=2))
    coordinator, worker, quick = coordinate(config), join("slow"), join("quick")
    held = [process.compute(worker) for _ in range(2)]
    assert quick.work(wait_for_job(quick)) == "stored"
    wait_until(lambda: coordinator.reports, what="the end of round 0")
    process.gate.set()
    for job, started in held:
        started.result(60)  # raises nothing
        worker.finish(job)
    finish_run(coordinator, quick)
    late = "SELECT count(*) FROM ganns.ledger WHERE NOT accepted AND worker_id = %s AND round = 0"
    assert conn.execute(late, (worker.id,)).fetchone() == (2,)
    assert broken(conn) == {}


def test_an_upload_of_a_unit_without_a_result_is_given_up(coordinate, join, process, monkeypatch):
    """G's part cannot be computed; D's, which waits, is not sent, so the next unit's parts need not wait for it."""
    config = tiny(stop=StopConfig(rounds=1))
    coordinator, worker = coordinate(config), join()
    job = wait_for_job(worker)
    begun, add = [], ResultUpload.add

    def add_or_fail(self, role, part):
        if role == "g" and not begun:
            begun.append(self)
            raise RuntimeError("no G today")
        add(self, role, part)

    monkeypatch.setattr(ResultUpload, "add", add_or_fail)
    with pytest.raises(Retry):
        process.start(worker, job).result(60)
    process.gate.set()
    [given_up] = begun
    [part] = given_up._parts
    part.result(60)
    assert given_up._sent == []
    worker.one("SELECT ganns_api.task_retry(%s, %s, 0, NULL, false, NULL, NULL, NULL, NULL)", job.id, job.attempt)
    finish_run(coordinator, worker)
    assert coordinator.digest == solo_digest(config)


def test_the_next_unit_begins_when_the_rest_takes_no_longer_than_to_compute_one(monkeypatch):
    """At 1 MB/s: of 8 and 2 MB, of which the second is not encoded yet, 7 are left after 3."""
    speed, now = LinkSpeed(), [100.0]
    monkeypatch.setattr(upload.time, "monotonic", lambda: now[0])
    one = ResultUpload(None, None, speed, None, (1, 0, 1), (0, 0, 0))
    assert one.seconds_left() == math.inf
    one._begun_at, one._numbers, one._encoded = 97.0, 10, 8
    one._sent.append(SimpleNamespace(num_bytes=8_000_000, done=0))
    assert one.seconds_left() == math.inf  # no speed is known
    one._sent[0].done = 3_000_000
    assert one.seconds_left() == pytest.approx(7.0)
    speed.moved("up", 4_000_000, 2.0)
    assert one.seconds_left() == pytest.approx(3.5)


def test_a_machines_figures_are_in_its_description(coordinate, join, conn, process, monkeypatch):
    monkeypatch.setattr(run_cache, "FIGURES_S", 0.0)
    coordinator, worker = coordinate(tiny()), join()
    process.gate.set()
    process.cache.speed.moved("up", 1_000_000, 0.8)
    process.cache.speed.moved("down", 10_000_000, 1.6)
    while not coordinator.done:
        if (job := worker.fetch()) is not None:
            process.start(worker, job).result(60)
            worker.finish(job)
    [info] = conn.execute("SELECT info FROM ganns.workers WHERE id = %s", (worker.id,)).fetchone()
    assert info["up_mbit"] == pytest.approx(10.0, rel=0.5)
    assert info["down_mbit"] == pytest.approx(50.0, rel=0.5)
    assert info["images_per_s"] > 0
    assert info["device"] == "cpu"
