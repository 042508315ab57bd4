"""Units that are held too long: given to another worker, never too early, and honoured all the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from ganns.coordinator import overdue as limits
from ganns.coordinator.overdue import LEAST_S, UNKNOWN_S, limit_s
from ganns.db.address import Address
from ganns.db.connect import Connection
from ganns.store.overdue import HeldUnit
from tests.coordinator.test_faults import finish_run
from tests.support.fakes import FakeWorker, Job, solo_digest, tiny
from tests.support.helpers import wait_until
from tests.worker.classroom import check_ledger

HELD = HeldUnit(0, 64, 5, 0, 7, "pi", "s01", 50.0, None, None, None)


def test_the_limit_follows_from_the_workers_own_speed() -> None:
    assert limit_s(HELD) == UNKNOWN_S
    assert limit_s(replace(HELD, slowest_image_s=1.0)) == 3 * 64
    assert limit_s(replace(HELD, image_s=0.01, transfer_s=1.0)) == LEAST_S
    assert limit_s(replace(HELD, image_s=5.0, transfer_s=100.0)) == 3 * 64 * 5 + 100
    for image_s in (0.0, 0.1, 1.0, 100.0):
        for transfer_s in (0.0, 400.0):
            mine = limit_s(replace(HELD, image_s=image_s, transfer_s=transfer_s, slowest_image_s=0.001))
            assert mine >= 3 * 64 * image_s + transfer_s


class Registered(FakeWorker):
    """A worker of the task framework: it gets no job that it should not get, and hears how its results are taken."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.one(
            "SELECT ganns_api.task_register(%s, %s, '{}', 0, '{gradient}', '[]')::text AS nothing", self.id, self.name
        )

    def fetch(self) -> Job | None:
        self.beat()
        row = self.one("SELECT id, attempts, args FROM ganns_api.task_fetch(NULL, %s)", self.id)
        return Job(row["id"], row["attempts"], row["args"]) if row.get("id") else None


@pytest.fixture
def registered(database: Address) -> Iterator[Callable[[str], Registered]]:
    made: list[Registered] = []

    def make(name: str) -> Registered:
        made.append(Registered(database, name))
        return made[-1]

    yield make
    for one in made:
        one.conn.close()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give units on after moments, not minutes; the good worker of a busy machine has its time."""
    monkeypatch.setattr(limits, "LEAST_S", 0.05)
    monkeypatch.setattr(limits, "UNKNOWN_S", 0.1)
    monkeypatch.setattr(limits, "limit_s", lambda held: 60.0 if held.worker == "good" else limit_s(held))


def hoard(worker: FakeWorker) -> list[Job]:
    """Take every job there is, and compute nothing."""
    jobs: list[Job] = []
    wait_until(lambda: (job := worker.fetch()) and (jobs.append(job) or len(jobs) == 2), what="both jobs")
    return jobs


def test_hoarding_with_a_live_heartbeat_does_not_freeze_a_run_with_quorum_all(
    coordinate, registered, hasty, conn: Connection
) -> None:
    config = tiny()
    coordinator, hoarder, good = coordinate(config), registered("hoarder"), registered("good")
    held = hoard(hoarder)
    assert all(hoarder.claim(job) for job in held[:1])  # one is claimed, one only fetched
    assert good.fetch() is None  # nothing is left: without a limit it would wait for ever

    def turn() -> bool:
        hoarder.beat()
        good.work()
        return len(coordinator.reports) >= 1

    wait_until(turn, what="a round without the hoarder")
    finish_run(coordinator, good)
    assert coordinator.digest == solo_digest(config)
    assert {answer for _, answer in good.submitted} == {"stored"}
    rows = conn.execute("SELECT worker, kind FROM ganns.incidents ORDER BY id").fetchall()
    assert rows == [("hoarder", "overdue")] * 2
    assert sum("Another worker gets the unit" in text for text in coordinator.said) == 2
    check_ledger(conn)


def test_where_no_other_worker_is_a_unit_stays_with_its_own_and_goes_back_to_it(
    coordinate, registered, hasty, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A class of one whose laptop slept does not stand still for ever."""
    coordinator, slow = coordinate(tiny()), registered("slow")
    jobs = hoard(slow)
    results = [(job, slow.compute(slow.claim(job))) for job in jobs]
    looks, look = [], limits.overdue.held_units
    monkeypatch.setattr(limits.overdue, "held_units", lambda *given: looks.append(look(*given)) or looks[-1])
    wait_until(lambda: len(looks) == 3, what="three looks of the coordinator")
    assert looks == [[], [], []]
    assert [slow.submit(job, *result) for job, result in results] == ["stored"] * 2, "nobody else could have it"
    wait_until(lambda: len(coordinator.reports) >= 1, what="the round")

    hoard(slow)
    other = registered("other")
    given_on = "SELECT count(*) FROM ganns.overdue_units"
    wait_until(lambda: other.beat() or conn.execute(given_on).fetchone() == (2,), what="both units for the other")
    assert slow.fetch() is None
    leave(conn, other)
    finish_run(coordinator, slow)
    assert coordinator.digest == solo_digest(tiny())


def leave(conn: Connection, worker: FakeWorker) -> None:
    """Let a worker's heart stop."""
    conn.execute("DELETE FROM procrastinate.procrastinate_workers WHERE id = %s", (worker.id,))


def test_the_first_attempt_is_late_and_its_time_is_remembered(coordinate, registered, hasty, conn: Connection) -> None:
    config = tiny()
    coordinator, slow, good = coordinate(config), registered("slow"), registered("good")
    [job, other] = hoard(slow)
    assert slow.claim(other)
    result = slow.compute(slow.claim(job))
    wait_until(lambda: slow.beat() or good.work(), what="the unit at another worker")
    assert slow.submit(job, *result) == "late"
    assert slow.submit(job, *result) == "late"  # and once only
    finish_run(coordinator, good)
    assert coordinator.digest == solo_digest(config)
    assert slow.submit(job, *result) == "late"  # also when its unit's row is gone
    rows = conn.execute(
        "SELECT unit, attempt, accepted, seconds > 0 FROM ganns.ledger WHERE worker_id = %s", (slow.id,)
    ).fetchall()
    assert rows == [(job.args["unit"], 0, False, True)]
    [found] = conn.execute(
        "SELECT extract(epoch FROM at - held_since) > 0 FROM ganns.overdue_units WHERE job_id = %s", (job.id,)
    ).fetchall()
    assert found == (True,)
    check_ledger(conn)


def test_another_login_cannot_credit_itself_with_it(coordinate, registered, hasty, conn: Connection) -> None:
    coordinator, slow, good = coordinate(tiny()), registered("slow"), registered("good")
    [job, _] = hoard(slow)
    slow.claim(job)
    finish_run(coordinator, good)
    conn.execute("UPDATE ganns.workers SET login = 'somebody' WHERE id = %s", (slow.id,))
    assert slow.one("SELECT ganns.credit_overdue(%s, 0, %s) AS credited", job.id, slow.id) == {"credited": False}
    assert slow.one("SELECT ganns.credit_overdue(%s, 0, %s) AS credited", job.id, good.id) == {"credited": False}


def test_a_slow_worker_that_is_known_keeps_its_unit(coordinate, registered, hasty, conn: Connection) -> None:
    """Its own units took an hour each, by the ledger: three hours are its limit, whatever the others need."""
    config = tiny()
    coordinator, slow, good = coordinate(config), registered("slow"), registered("good")
    assert wait_until_worked(slow) == "stored"
    conn.execute("UPDATE ganns.ledger SET seconds = 3600")
    wait_until(lambda: good.work() and len(coordinator.reports) >= 1, what="a round")
    conn.execute("UPDATE ganns.ledger SET seconds = 3600 WHERE worker_id = %s", (slow.id,))
    jobs: list[Job] = []
    wait_until(lambda: (job := slow.fetch()) and (jobs.append(job) or True), what="a job")
    ticks = len(limits_seen := [])
    original = limits.limit_s
    limits.limit_s = lambda held: limits_seen.append(held.worker) or original(held)
    try:
        wait_until(lambda: good.work() is None and limits_seen.count("slow") > ticks + 2, what="three looks at it")
    finally:
        limits.limit_s = original
    assert slow.work(jobs[0]) == "stored"
    finish_run(coordinator, good)
    assert coordinator.digest == solo_digest(config)
    assert conn.execute("SELECT count(*) FROM ganns.incidents").fetchone() == (0,)


def wait_until_worked(worker: FakeWorker) -> str:
    answers: list[str] = []
    wait_until(lambda: (answer := worker.work()) and (answers.append(answer) or True), what="a unit")
    return answers[-1]


def test_a_worker_that_finishes_nothing_is_set_aside(coordinate, registered, hasty, conn: Connection) -> None:
    config = tiny()
    coordinator, hoarder, good = coordinate(config), registered("hoarder"), registered("good")

    def turn() -> bool:
        hoarder.fetch()
        return any("(hoarder) is set aside after 3" in text for text in coordinator.said) or bool(
            coordinator.reports and good.work() and False
        )

    hoard(hoarder)
    wait_until(lambda: good.work() and len(coordinator.reports) >= 1, what="a round")
    wait_until(turn, what="the hoarder's end")
    assert hoarder.fetch() is None
    finish_run(coordinator, good)
    assert coordinator.digest == solo_digest(config)
