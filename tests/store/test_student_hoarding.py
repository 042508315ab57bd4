"""A student who takes units and computes nothing: they run elsewhere, and no trick gets more of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psycopg
import pytest
from psycopg import IsolationLevel

from ganns.config import QuorumConfig
from ganns.db.connect import Connection, connect
from tests.support.fakes import Job
from tests.support.students import Student, StudentWorker, open_round

RETRY = "SELECT ganns_api.task_retry(%s, %s, %s, %s, %s, 'x', NULL, NULL, NULL)"
PART = "SELECT ganns_api.put_part(%s, %s, 'd', %s, %s, %s, 'x')"


@dataclass
class Pair:
    """Eve, who hoards, and Ada, who computes."""

    eve: StudentWorker
    ada: StudentWorker
    eves: Student

    def same_job_for_ada(self, job: Job) -> None:
        """Check that Ada gets Eve's job at once, and that her result counts."""
        again = self.ada.fetch()
        assert again is not None
        assert again.id == job.id
        claim = self.ada.claim(again)
        assert claim is not None
        assert self.ada.submit(again, *self.ada.compute(claim)) == "stored"


@pytest.fixture
def pair(coordinate, conn: Connection, enrol: Callable[..., Student]) -> Iterator[Pair]:
    open_round(coordinate, conn, quorum=QuorumConfig(units=1))
    eves = enrol("eve")
    eve, ada = StudentWorker(eves.address), StudentWorker(enrol("ada").address)
    ada.beat()
    yield Pair(eve, ada, eves)
    for worker in (eve, ada):
        worker.conn.close()


def taken(worker: StudentWorker) -> Job:
    job = worker.fetch()
    assert job is not None
    return job


@pytest.mark.parametrize("counts", [True, False])
@pytest.mark.parametrize(("delay_s", "at"), [(300, None), (0, "infinity"), (1e300, None), (None, "tomorrow")])
def test_a_unit_is_not_put_off_while_another_student_is_there(
    counts: bool, delay_s: float | None, at: str | None, pair: Pair
) -> None:
    """Else a run that waits for all units stands still for five minutes, as often as the student likes."""
    job = taken(pair.eve)
    pair.eve.one(RETRY, job.id, job.attempt, delay_s, at, counts)
    pair.same_job_for_ada(job)


@pytest.mark.parametrize("claims", [True, False])
@pytest.mark.parametrize("status", ["succeeded", "aborted"])
def test_a_unit_that_is_ended_without_a_result_goes_to_another_student(
    status: str, claims: bool, pair: Pair, conn: Connection
) -> None:
    """And not to the same one again and again, which the run would wait for."""
    job = taken(pair.eve)
    if claims:
        assert pair.eve.claim(job) is not None
    end = "SELECT ganns_api.task_finish(%s, %s, %s, false, 'SUCCESS', NULL, NULL, NULL, NULL, true, 1e9) AS ended"
    assert pair.eve.one(end, job.id, job.attempt, status)["ended"]
    assert pair.eve.fetch() is None
    pair.same_job_for_ada(job)
    assert conn.execute("SELECT count(*) FROM ganns.task_results").fetchone() == (0,)


def test_the_end_of_a_unit_with_a_result_keeps_no_bytes_of_the_students(pair: Pair, conn: Connection) -> None:
    """Nobody reads them, and 16 MB for each unit, kept for a week, would fill the disk."""
    job = taken(pair.eve)
    claim = pair.eve.claim(job)
    assert claim is not None
    assert pair.eve.submit(job, *pair.eve.compute(claim)) == "stored"
    end = "SELECT ganns_api.task_finish(%s, %s, 'succeeded', false, 'SUCCESS', NULL, %s, NULL, NULL, true, 1e9)"
    assert pair.eve.one(end, job.id, job.attempt, b"x" * 100_000)["task_finish"]
    assert conn.execute("SELECT coalesce(sum(octet_length(data)), 0) FROM ganns.task_results").fetchone() == (0,)


def test_transactions_beside_each_other_hold_no_more_jobs(
    coordinate, conn: Connection, enrol: Callable[..., Student]
) -> None:
    """Each sees only its own; so they wait for each other, and see what the one before took."""
    open_round(coordinate, conn, quorum=QuorumConfig(units=4))
    student = enrol("eve")
    eve = StudentWorker(student.address)
    sessions = [connect(student.address, application="eve", autocommit=False) for _ in range(4)]
    fetch = "SELECT id FROM ganns_api.task_fetch(NULL, %s)"
    try:
        for one in sessions:
            one.execute("SET lock_timeout = '50ms'")
            one.commit()
        for one in sessions:
            try:
                one.execute(fetch, [eve.id])
            except psycopg.errors.LockNotAvailable:
                one.rollback()
        for one in sessions:
            one.commit()
        for one in sessions:  # a snapshot of before would show no job that is held
            one.isolation_level = IsolationLevel.REPEATABLE_READ
            with pytest.raises(psycopg.errors.InvalidTransactionState, match="READ COMMITTED"):
                one.execute(fetch, [eve.id])
            one.rollback()
    finally:
        for one in sessions:
            one.close()
        eve.conn.close()
    held = conn.execute("SELECT count(*) FROM procrastinate_jobs WHERE status = 'doing'").fetchone()
    assert held is not None
    assert held[0] <= 2


def test_old_snapshots_register_no_more_workers(conn: Connection, enrol: Callable[..., Student]) -> None:
    student = enrol("eve", max_workers=1)
    with connect(student.address, application="eve", autocommit=False) as old:
        old.isolation_level = IsolationLevel.REPEATABLE_READ
        old.execute("SELECT count(*) FROM ganns_api.migrations()")
        first = StudentWorker(student.address)
        with pytest.raises(psycopg.errors.InvalidTransactionState, match="READ COMMITTED"):
            old.execute("SELECT procrastinate_register_worker_v1()")
        first.conn.close()
    assert conn.execute("SELECT count(*) FROM procrastinate_workers").fetchone() == (1,)


def test_pieces_that_overlap_take_no_more_room_than_the_part(pair: Pair, conn: Connection) -> None:
    """Each may have a megabyte: one at each of the part's blocks would be sixteen times the part."""
    job = taken(pair.eve)
    assert pair.eve.claim(job) is not None
    data = b"x" * (8 * 65536)
    for chunk in range(8):
        assert pair.eve.one(PART, job.id, job.attempt, chunk, 16, data)["put_part"]
    assert pair.eve.one(PART, job.id, job.attempt, 15, 16, b"x")["put_part"]
    row = conn.execute("SELECT sum(ganns.num_blocks(data)) <= max(num_chunks) FROM ganns.result_parts").fetchone()
    assert row == (True,)
