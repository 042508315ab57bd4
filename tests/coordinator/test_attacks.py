"""Attacks on a run by a student, over a real connection as a real login: each is shown to work, and to be ended.

The run has quorum "all" unless the attack needs another one; an honest worker computes all the time. The limits are a
fifth of the real ones, so that the tests are short; nothing else differs.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from contextlib import suppress

import psycopg
import pytest

from ganns.config import Config, QuorumConfig, StopConfig
from ganns.coordinator import overdue, warden
from ganns.coordinator.offences import SessionLimits
from ganns.coordinator.warden import Warden
from ganns.db import migrate as schema
from ganns.db.address import Address
from ganns.db.connect import Connection, connect
from ganns.errors import DatabaseUnreachable
from tests.support.attackers import is_ended
from tests.support.coordinators import Coordinator
from tests.support.fakes import FakeWorker, Job, tiny
from tests.support.helpers import wait_until

pytestmark = pytest.mark.slow

SHORT = functools.partial(
    SessionLimits, transaction_s=1.0, statement_s=2.0, blocking_s=0.5, advisory_s=1.0, notifies_per_s=100.0
)
ENDLESS = StopConfig(rounds=10**6)


@pytest.fixture(autouse=True)
def short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warden, "SessionLimits", SHORT)


class Class:
    """A run with an honest worker, and what was said."""

    def __init__(self, coordinator: Coordinator, honest: FakeWorker) -> None:
        self.coordinator, self.honest = coordinator, honest

    def work_until(self, predicate: Callable[[], object], what: str) -> None:
        def turn() -> bool:
            with suppress(psycopg.errors.OutOfMemory, psycopg.errors.LockNotAvailable):
                self.honest.work()
            return bool(predicate())

        wait_until(turn, what=lambda: f"{what}; the coordinator said {self.coordinator.said}")

    def goes_on(self, rounds: int = 3) -> None:
        before = len(self.coordinator.reports)
        self.work_until(lambda: len(self.coordinator.reports) >= before + rounds, f"{rounds} more rounds")
        assert self.coordinator.thread.is_alive()

    def was_ended(self, attacker: Connection, reason: str) -> None:
        """Wait until the coordinator says that it ended the attacker's session, and why."""
        begin = f"ended a session of login {attacker.info.user}"
        self.work_until(lambda: any(begin in text for text in self.coordinator.said), "the end of the attack")
        [text] = [text for text in self.coordinator.said if begin in text]
        assert reason in text
        assert is_ended(attacker)


@pytest.fixture
def besieged(coordinate, join, database: Address) -> Callable[..., Class]:
    def begin(config: Config | None = None) -> Class:
        made = Class(coordinate(config or tiny(stop=ENDLESS)), join("honest"))
        made.honest.conn.execute("SET lock_timeout = '200ms'")
        made.goes_on()
        return made

    return begin


def fetching(attacker: Connection) -> str:
    """Register a worker, and return the statement that fetches a job for it."""
    [number] = attacker.execute("SELECT worker_id FROM procrastinate_register_worker_v1()").fetchone() or ()
    attacker.execute("SELECT task_register(%s, 'evil', '{}', 0, '{gradient}', '[]')", (number,))
    return f"SELECT id FROM task_fetch(NULL, {number})"


def test_a_transaction_that_keeps_blobs_from_being_vacuumed(besieged, student, conn: Connection) -> None:
    run, attacker = besieged(), student()
    attacker.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    attacker.execute("SELECT count(*) FROM ganns_api.migrations()")
    oldest = "SELECT age(backend_xmin) FROM pg_stat_activity WHERE usename = %s AND backend_xmin IS NOT NULL"
    run.work_until(lambda: (conn.execute(oldest, (attacker.info.user,)).fetchone() or (0,))[0] > 3, "old rows")
    run.was_ended(attacker, "it kept a transaction open")
    assert conn.execute(oldest, (attacker.info.user,)).fetchone() is None
    run.goes_on()


def test_a_transaction_that_fetched_one_job(besieged, student, conn: Connection) -> None:
    run, attacker = besieged(), student()
    fetch = fetching(attacker)
    attacker.execute("BEGIN")
    got: list[int] = []
    run.work_until(
        lambda: (row := attacker.execute(fetch).fetchone()) and row[0] and (got.append(row[0]) or True), "a job"
    )
    done = len(run.coordinator.reports)
    locked = "SELECT id FROM procrastinate_jobs WHERE id = %s FOR UPDATE SKIP LOCKED"
    assert conn.execute(locked, got).fetchone() is None  # no other worker gets it
    run.was_ended(attacker, "it kept a transaction open")
    assert len(run.coordinator.reports) <= done + 1  # meanwhile the round waited for it
    run.goes_on()


def test_where_sessions_cannot_be_ended_a_held_unit_gets_a_new_job(
    besieged, student, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overdue, "LOCKED_S", 1.0)
    monkeypatch.setattr(Warden, "_end", lambda *args: False)
    run, attacker = besieged(), student()
    fetch = fetching(attacker)
    attacker.execute("BEGIN")
    run.work_until(lambda: (row := attacker.execute(fetch).fetchone()) and row[0], "a job")
    run.work_until(lambda: any("gets a new job" in text for text in run.coordinator.said), "a new job")
    assert any(f"a transaction of login {attacker.info.user} (server process " in t for t in run.coordinator.said)
    run.goes_on()
    assert not is_ended(attacker)


def test_a_transaction_that_submitted_a_result(besieged, student, conn: Connection) -> None:
    """It holds the round's row: no round can be closed."""
    run, attacker = besieged(tiny(stop=ENDLESS, quorum=QuorumConfig(units=1, spares=1))), student()
    [number] = attacker.execute("SELECT worker_id FROM procrastinate_register_worker_v1()").fetchone() or ()
    attacker.execute("SELECT task_register(%s, 'evil', '{}', 0, '{gradient}', '[]')", (number,))
    got: list[Job] = []

    def fetch() -> bool:
        row = attacker.execute("SELECT id, attempts, args FROM task_fetch(NULL, %s)", (number,)).fetchone()
        if row and row[0]:
            got.append(Job(*row))
        return bool(got)

    wait_until(fetch, what="a job")
    honest, mine = run.honest.conn, run.honest.id
    run.honest.conn, run.honest.id = attacker, number  # the honest program, in a transaction of the attacker's
    config, result = run.honest.compute(run.honest.claim(got[0]))
    attacker.execute("BEGIN")
    assert run.honest.submit(got[0], config, result) == "stored"
    run.honest.conn, run.honest.id = honest, mine
    waits = (
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name LIKE 'ganns coord%%'"
    )
    run.work_until(lambda: conn.execute(waits).fetchone() != (0,), "the coordinator to wait for it")
    run.was_ended(attacker, "the coordinator waited")
    run.goes_on()


def test_a_table_that_the_classs_login_locks(besieged, student, conn: Connection) -> None:
    run, attacker = besieged(), student(shared=True)
    attacker.execute("BEGIN")
    attacker.execute("LOCK TABLE ganns.rounds, procrastinate.procrastinate_jobs IN ACCESS EXCLUSIVE MODE")
    run.was_ended(attacker, "")
    run.goes_on()


def test_every_advisory_lock(besieged, student) -> None:
    run, attacker = besieged(), student()
    attacker.execute("SELECT pg_advisory_lock(n) FROM generate_series(1, 5000) n")
    run.was_ended(attacker, "it held 5,0")
    run.goes_on()


def test_the_memory_for_locks(besieged, student, database: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it is used up, no one can log in; locks of sessions outlive the statement that failed."""
    may_look, looks, tick, looking = threading.Event(), [0], Warden.tick, threading.Lock()

    def counted(self, conn):
        looks[0] += 1
        with looking:
            return tick(self, conn) if may_look.is_set() else []

    may_look.set()
    monkeypatch.setattr(Warden, "tick", counted)
    run, attacker = besieged(), student()
    before = looks[0]
    wait_until(lambda: looks[0] >= before + 2, what="the warden to see the login")
    with looking:  # a look that has begun ends first
        may_look.clear()  # or it ends the session while it takes its locks
    with pytest.raises(psycopg.errors.OutOfMemory):
        attacker.execute("SELECT pg_advisory_lock(n) FROM generate_series(1, 1000000) n")
    with pytest.raises(DatabaseUnreachable, match="out of shared memory"):
        connect(database)
    may_look.set()
    run.was_ended(attacker, " locks")
    connect(database).close()
    run.goes_on()


def test_the_lock_of_the_migrations(besieged, student, database: Address, conn: Connection) -> None:
    """The class's login may lock the table; a student's may not."""
    run, attacker = besieged(), student(shared=True)
    attacker.execute("BEGIN")
    attacker.execute("LOCK TABLE ganns.migrations IN SHARE ROW EXCLUSIVE MODE")
    applied: list[list[str]] = []

    def migrate() -> None:
        with connect(database) as other:
            applied.append(schema.migrate(other))

    thread = threading.Thread(target=migrate, daemon=True)
    thread.start()
    waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'ganns.migrations'::regclass"
    run.work_until(lambda: conn.execute(waits).fetchone() != (0,), "the migration to wait")
    run.was_ended(attacker, "it kept a transaction open")
    thread.join(60)
    assert applied == [[]]
    run.goes_on()


def test_a_statement_that_sleeps(besieged, student) -> None:
    run, attacker = besieged(), student()
    attacker.execute("SET statement_timeout = 0")  # its own setting, and no defence
    ended: list[BaseException] = []

    def sleep() -> None:
        try:
            attacker.execute("SELECT pg_sleep(31)")
        except psycopg.Error as error:
            ended.append(error)

    thread = threading.Thread(target=sleep, daemon=True)
    thread.start()
    run.was_ended(attacker, "a statement took")
    thread.join(30)
    assert [type(one) for one in ended] == [psycopg.errors.AdminShutdown]
    run.goes_on()


def test_a_flood_of_notifications(besieged, student) -> None:
    run, attacker = besieged(), student()
    sent: list[int] = []

    def flood() -> None:
        with suppress(psycopg.Error):
            while True:
                attacker.execute(
                    "SELECT pg_notify('ganns_run_' || %s::bigint, n::text) FROM generate_series(1, 2000) n",
                    (run.coordinator.run_id,),
                )
                sent.append(2000)

    thread = threading.Thread(target=flood, daemon=True)
    thread.start()
    run.was_ended(attacker, "notifications a second")
    thread.join(30)
    assert sum(sent) > 2000
    run.goes_on()


def test_a_listener_that_keeps_the_queue_full(besieged, student, conn: Connection) -> None:
    run, attacker, sender = besieged(), student(), student()
    attacker.execute("LISTEN ganns_noise")
    attacker.execute("BEGIN")
    attacker.execute("SELECT 1")
    noise = "SELECT pg_notify('ganns_noise', repeat('x', 7000) || n) FROM generate_series(1, 1000) n"
    sender.execute(noise)
    used = "SELECT pg_notification_queue_usage()"
    assert conn.execute(used).fetchone()[0] > 0
    run.was_ended(attacker, "it kept a transaction open")
    run.work_until(lambda: conn.execute(used).fetchone() == (0,), "an empty queue")
    run.goes_on()


@pytest.mark.parametrize("table", ["ganns.runs", "ganns.units", "procrastinate.procrastinate_jobs"])
def test_ctrl_c_is_obeyed_whatever_is_locked(besieged, database: Address, conn: Connection, table: str) -> None:
    """The owner's own forgotten psql, which no warden ends: who holds the lock is said, and Ctrl-C is obeyed."""
    run = besieged()
    with connect(database, application="psql") as owner, owner.transaction():
        owner.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        waits = (
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE wait_event_type = 'Lock' AND application_name LIKE 'ganns coord%%' AND datname = current_database()"
        )
        wait_until(lambda: conn.execute(waits).fetchone() != (0,), what="the coordinator to wait")
        wait_until(
            lambda: any("with server process" in text and "(psql)" in text for text in run.coordinator.said),
            what=lambda: f"who holds it: {run.coordinator.said}",
        )
        run.coordinator.stop.set()
        run.coordinator.join(30)  # the lock is still held
        assert owner.execute("SELECT 1").fetchone() == (1,)
    assert run.coordinator.done is False


def test_it_goes_on_when_the_lock_is_given_back(besieged, database: Address) -> None:
    run = besieged()
    with connect(database, application="psql") as owner, owner.transaction():
        owner.execute("LOCK TABLE ganns.rounds IN ACCESS EXCLUSIVE MODE")
        wait_until(lambda: any("(psql)" in text for text in run.coordinator.said), what="who holds it")
    run.goes_on()
