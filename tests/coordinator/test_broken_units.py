"""A unit is set aside when three workers failed; a worker's own errors never count against it."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from ganns.config import QuorumConfig, StopConfig
from ganns.coordinator.reconciler import Reconciler
from ganns.queue.rescue import SILENT_S
from ganns.store import rounds, worker_api
from tests.coordinator.test_faults import finish_run, wait_for_job
from tests.support.fakes import FakeWorker, Job, solo_digest, tiny
from tests.support.helpers import spawn_worker, wait_until, workers

ONE_UNIT = tiny(quorum=QuorumConfig(units=1), stop=StopConfig(rounds=1))
REASON = "Traceback ...\nganns.errors.DataError: Image 3 is damaged"


@pytest.fixture
def job(coordinate, join, conn) -> tuple[FakeWorker, Job]:
    """A worker that holds the only unit of an open round, which no coordinator watches just now."""
    coordinator, worker = coordinate(ONE_UNIT), join("first")
    found = wait_for_job(worker)
    coordinator.stop.set()
    coordinator.join()
    return worker, found


def fail(worker: FakeWorker, before: Job, times: int = 1) -> Job:
    """Let the worker fail the unit a number of times; return its next attempt."""
    job = before
    for _ in range(times):
        worker.fail(job, REASON)
        job = Job(job.id, job.attempt + 1, job.args)
        assert worker.fetch().id == job.id  # its row is `doing` again
    return job


def is_broken(conn) -> bool:
    return [one.poison for one in rounds.lost_units(conn, 1, 0, SILENT_S)] == [True]


def test_three_workers_make_a_unit_broken_and_one_alone_never(job, join, conn):
    (first, unit), second, third = job, join("second"), join("third")
    unit = fail(first, unit, times=5)
    assert not is_broken(conn)
    again = join("first")  # the same worker, after it was started again
    unit = fail(again, unit)
    unit = fail(second, unit)
    assert not is_broken(conn)
    fail(third, unit)
    assert is_broken(conn)


def test_where_fewer_are_present_three_attempts_do_and_each_must_have_tried(job, join, conn):
    first, unit = job
    unit = fail(first, unit, times=2)
    assert not is_broken(conn)
    unit = fail(first, unit)
    assert is_broken(conn)
    second = join("second")  # it may be able to compute the unit
    assert not is_broken(conn)
    fail(second, unit)
    assert is_broken(conn)


@pytest.mark.parametrize("why", ["silent", "draining", "cannot compute the run"])
def test_a_worker_that_cannot_help_is_not_waited_for(job, join, conn, why):
    first, unit = job
    other = join("other")
    fail(first, unit, times=3)
    assert not is_broken(conn)
    if why == "silent":
        other.fall_silent()
    else:
        conn.execute(
            "INSERT INTO ganns.task_workers (worker_id, name, tasks, draining) VALUES (%s, 'other', '{gradient}', %s)",
            (other.id, why == "draining"),
        )
        if why != "draining":
            conn.execute(
                "INSERT INTO ganns.task_refusals VALUES (%s, 'gradient', '{\"run\": 1}', 'images')", (other.id,)
            )
    assert is_broken(conn)


def test_a_broken_unit_is_set_aside_while_its_job_waits_and_the_round_goes_on(coordinate, join, conn):
    coordinator, worker = coordinate(tiny(stop=StopConfig(rounds=2))), join()
    unit = wait_for_job(worker)
    number = worker.claim(unit).unit
    fail(worker, unit, times=3)
    wait_until(lambda: any("is set aside" in text for text in coordinator.said), what="the unit to be set aside")
    finish_run(coordinator, worker)
    assert any(f"unit {number} of round 0 is set aside" in text and "Image 3" in text for text in coordinator.said)
    assert conn.execute("SELECT unit, reason FROM ganns.skipped").fetchall() == [(number, REASON)]
    status = "SELECT status::text, abort_requested FROM procrastinate.procrastinate_jobs WHERE id = %s"
    assert conn.execute(status, (unit.id,)).fetchone() in [None, ("doing", True), ("aborted", False)]


def test_a_failure_counts_only_from_the_worker_that_claimed_the_unit(job, join, conn):
    first, unit = job
    assert first.claim(unit)
    worker_api.fail_unit(join("stranger").conn, unit.id, unit.attempt, 999, REASON)
    worker_api.fail_unit(first.conn, unit.id, unit.attempt + 1, first.id, REASON)
    assert conn.execute("SELECT count(*) FROM ganns.unit_failures").fetchone() == (0,)


def test_a_device_that_fails_in_a_unit_ends_its_worker_and_costs_no_unit(coordinate, database, conn, tmp_path):
    """Real workers: one's device fails after the first part is uploaded. It leaves, and the other computes all."""
    config = tiny(stop=StopConfig(rounds=3))
    log = tmp_path / "broken.log"
    broken = spawn_worker(database, log, "broken", [sys.executable, "-m", "tests.support.broken_device"])
    try:
        coordinator = coordinate(config)
        assert broken.wait(60) == 0, log.read_text()  # a supervisor starts another one
        assert log.read_text().count("the device fails now") == 1
        assert "The device cpu failed: CUDA error: an illegal memory access" in log.read_text()
        with workers(database, 1, tmp_path):
            coordinator.join(120)
    finally:
        broken.kill()
        broken.wait()
    assert coordinator.digest == solo_digest(config)
    assert conn.execute("SELECT count(*) FROM ganns.unit_failures").fetchone() == (0,)
    assert conn.execute("SELECT count(*) FROM ganns.skipped").fetchone() == (0,)
    accepted = conn.execute("SELECT count(*), count(*) FILTER (WHERE attempt > 0) FROM ganns.ledger WHERE accepted")
    assert accepted.fetchone() == (6, 1)  # the unit that was handed back, once


def test_a_worker_with_other_images_asks_for_the_run_once(coordinate, database, conn, tmp_path):
    """Real workers: one has other images. It hands one unit back, and takes no more of them; the other computes all."""
    for name in ("bad", "good"):
        (tmp_path / name).mkdir()
    with workers(database, 1, tmp_path / "bad", module="tests.support.other_images"):
        coordinator = coordinate(tiny(quorum=QuorumConfig(units=4), stop=StopConfig(rounds=3)))
        refusals = (
            "SELECT w.name, x.args, x.reason FROM ganns.task_refusals x JOIN ganns.task_workers w USING (worker_id)"
        )
        wait_until(lambda: conn.execute(refusals).fetchall(), what="the refusal", every_s=0.1)
        said: list[str] = []
        publisher = SimpleNamespace(run_id=1, connections=SimpleNamespace(main=conn))
        Reconciler(publisher, said.append, num_alive=1).say_waiting(0, 4)
        with workers(database, 1, tmp_path / "good"):
            coordinator.join(120)
        [(name, args, reason)] = conn.execute(refusals).fetchall()
    assert (name, args) == ("w0", {"run": 1})
    assert "they are not the same images" in reason
    assert "1 worker connected; 1 of them get no unit of this run: w0: " in said[0]
    assert "they are not the same images" in said[0]
    assert not any("set aside" in text for text in coordinator.said)
    attempts = conn.execute("SELECT count(*) FROM ganns.ledger WHERE accepted AND attempt > 0").fetchone()
    assert attempts == (1,)
    assert conn.execute("SELECT count(*) FROM ganns.unit_failures").fetchone() == (0,)
