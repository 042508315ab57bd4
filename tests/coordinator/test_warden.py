"""The warden on real sessions of real students: what it ends, what it leaves alone, and what it records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import psycopg
import pytest

from ganns.coordinator.offences import SessionLimits
from ganns.coordinator.warden import Warden
from ganns.db.address import Address
from ganns.db.connect import Connection, connect
from ganns.store import sessions
from tests.support.attackers import is_ended
from tests.support.fakes import FakeWorker
from tests.support.helpers import wait_until

STRICT = SessionLimits(transaction_s=0.0, statement_s=0.0, advisory_s=0.0)


@pytest.fixture
def said() -> list[str]:
    return []


def warden(conn: Connection, said: list[str], limits: SessionLimits = STRICT, **options: int) -> Warden:
    made = Warden(1, said.append, limits=limits, **options)
    made.begin(conn)
    return made


def login_of(session: Connection) -> str:
    return str(session.info.user)


def test_an_open_transaction_is_ended_and_recorded_with_who(
    conn: Connection, student: Callable[..., Connection], database: Address, said: list[str]
) -> None:
    attacker, honest = student(), student()
    login = login_of(attacker)
    attacker.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    attacker.execute("SELECT count(*) FROM ganns_api.migrations()")
    xmin = "SELECT count(*) FROM pg_stat_activity WHERE usename = %s AND backend_xmin IS NOT NULL"
    assert conn.execute(xmin, (login,)).fetchone() == (1,)  # what it deletes from now on cannot be vacuumed
    made = warden(conn, said)
    [(who, reason)] = made.tick(conn)
    assert (who.login, who.shared) == (login, False)
    assert "kept a transaction open" in reason
    wait_until(lambda: is_ended(attacker), what="the end of the session")
    assert honest.execute("SELECT 1").fetchone() == (1,)
    assert conn.execute(xmin, (login,)).fetchone() == (0,)
    [text] = said
    assert text.startswith(f"ended a session of login {login} (student 0): it kept a transaction open for ")
    rows = conn.execute("SELECT kind, login::text, reason = %s FROM ganns.incidents", (reason,)).fetchall()
    assert rows == [("ended", login, True)]
    assert made.tick(conn) == []


def test_two_coordinators_record_it_once(
    conn: Connection, student: Callable[..., Connection], database: Address, said: list[str]
) -> None:
    attacker = student()
    attacker.execute("BEGIN")
    attacker.execute("SELECT 1")
    with connect(database) as other:
        one, two = warden(conn, said), warden(other, said)
        [found] = sessions.list_sessions(conn, one._others)
        for each in (one, two):
            each._unrecorded.append((found, "it kept a transaction open"))
        one._record(conn)
        two._record(other)
    assert len(said) == 1


def test_a_login_that_is_younger_than_the_list_is_watched_too(
    conn: Connection, student: Callable[..., Connection], said: list[str]
) -> None:
    made = warden(conn, said)
    attacker = student("Ada")
    attacker.execute("BEGIN")
    attacker.execute("SELECT 1")
    [(who, _)] = made.tick(conn)
    assert who.label == "Ada"


def test_sessions_of_others_are_left_alone(
    conn: Connection, student: Callable[..., Connection], database: Address, said: list[str]
) -> None:
    """The owner's own sessions, and students' that are idle or only listen."""
    listening = student()
    listening.execute("LISTEN ganns_events")
    with connect(database, application="psql") as owner, owner.transaction():
        owner.execute("SELECT pg_advisory_xact_lock(1)")
        assert warden(conn, said).tick(conn) == []
        assert owner.execute("SELECT 1").fetchone() == (1,)
    assert not is_ended(listening)
    assert said == []


def test_the_login_of_a_class_counts_too_and_is_never_shut_out(
    conn: Connection, student: Callable[..., Connection], said: list[str]
) -> None:
    attacker = student(shared=True)
    attacker.execute("BEGIN")
    attacker.execute("LOCK TABLE ganns.runs IN ACCESS SHARE MODE")
    [(who, _)] = warden(conn, said, revoke_after=1).tick(conn)
    assert (who.login, who.shared) == ("ganns_class", True)
    assert "is the login of the whole class, and is not shut out" in said[-1]
    assert conn.execute("SELECT rolcanlogin FROM pg_roles WHERE rolname = 'ganns_class'").fetchone() == (True,)


def test_an_advisory_lock_is_ended_although_the_session_is_idle(
    conn: Connection, student: Callable[..., Connection], said: list[str]
) -> None:
    attacker = student()
    attacker.execute("SELECT pg_advisory_lock(7)")
    made = warden(conn, said)
    made.tick(conn)  # the server does not say since when a lock is held, so the first look takes note of it
    wait_until(lambda: made.tick(conn), what="the end of the session")
    assert "kept an advisory lock" in said[0]
    wait_until(lambda: conn.execute("SELECT pg_try_advisory_lock(7)").fetchone() == (True,), what="the lock")


def test_thousands_of_locks_are_ended(conn: Connection, student: Callable[..., Connection], said: list[str]) -> None:
    attacker = student()
    attacker.execute("SELECT pg_advisory_lock(n) FROM generate_series(1, 2000) n")
    [(_, reason)] = warden(conn, said, SessionLimits()).tick(conn)
    assert "it held 2,0" in reason


def test_the_label_and_the_workers_name_are_said(
    conn: Connection, student: Callable[..., Connection], said: list[str]
) -> None:
    attacker = student("Ada L.")
    login = login_of(attacker)
    conn.execute("INSERT INTO procrastinate_workers (id, last_heartbeat) OVERRIDING SYSTEM VALUE VALUES (70, now())")
    conn.execute("INSERT INTO ganns.workers (id, name, login) VALUES (70, 'ada-laptop', %s)", (login,))
    attacker.execute("BEGIN")
    attacker.execute("SELECT 1")
    warden(conn, said).tick(conn)
    assert said[0].startswith(f"ended a session of login {login} (Ada L.), worker ada-laptop: it kept")
    assert conn.execute("SELECT label, worker FROM ganns.incidents").fetchone() == ("Ada L.", "ada-laptop")


def test_a_repeated_offender_is_named_and_shut_out_only_if_the_instructor_asked(
    conn: Connection, student: Callable[..., Connection], database: Address, said: list[str]
) -> None:
    attacker = student()
    login, password = login_of(attacker), attacker.info.password
    made, asked = warden(conn, said), warden(conn, said, revoke_after=4)
    can_log_in = "SELECT rolcanlogin FROM pg_roles WHERE rolname = %s"
    for number in range(1, 5):
        session = psycopg.connect(database.conninfo, user=login, password=password, autocommit=True)
        session.execute("BEGIN")
        session.execute("SELECT 1")
        (asked if number == 4 else made).tick(conn)
        wait_until(lambda session=session: is_ended(session), what="the end of the session")
        assert conn.execute(can_log_in, (login,)).fetchone() == (number < 4,)
    assert f"it is the 3. within a day: `ganns students revoke {login}`" in said[2]
    assert conn.execute("SELECT revoked_at IS NOT NULL FROM ganns.students").fetchone() == (True,)
    assert "is shut out: 4 of its sessions were ended" in said[-1]
    wait_until(lambda: is_ended(attacker), what="the end of its other session")
    kinds = conn.execute("SELECT kind FROM ganns.incidents ORDER BY id").fetchall()
    assert kinds == [("ended",)] * 4 + [("revoked",)]


def test_a_login_without_the_right_says_so_in_one_sentence(
    conn: Connection, student: Callable[..., Connection], said: list[str]
) -> None:
    """As on a managed server: the coordinator's login is no superuser, and no member of the student's."""
    attacker, coordinator = student(), student()
    attacker.execute("BEGIN")
    attacker.execute("SELECT 1")
    mine = login_of(coordinator)
    conn.execute(f"GRANT USAGE ON SCHEMA ganns, procrastinate TO {mine}")
    conn.execute(f"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA ganns TO {mine}")
    conn.execute(f"GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA ganns, procrastinate TO {mine}")
    made = warden(coordinator, said)
    assert made.tick(coordinator) == []
    assert any(f"GRANT pg_read_all_stats TO {mine}" in text for text in said)
    conn.execute(f"GRANT pg_read_all_stats TO {mine}")
    said.clear()
    assert made.tick(coordinator) == []
    [text] = said
    assert f"GRANT pg_signal_backend TO {mine}" in text
    assert not is_ended(attacker)
    conn.execute(f"GRANT pg_signal_backend TO {mine}")
    attacker.execute("SELECT 1")
    assert len(made.tick(coordinator)) == 1


def test_a_full_queue_of_notifications_heals(
    conn: Connection, student: Callable[..., Connection], said: list[str]
) -> None:
    """A session that listens in an open transaction keeps everything: once it is ended, asking drops it."""
    listener, sender = student(), student()
    listener.execute("LISTEN ganns_noise")
    listener.execute("BEGIN")
    listener.execute("SELECT 1")
    for number in range(20):
        sender.execute(
            "SELECT pg_notify('ganns_noise', repeat('x', 7000) || n || '.' || %s) FROM generate_series(1, 100) n",
            (number,),
        )
    made = warden(conn, said, SessionLimits(transaction_s=3600.0))
    made.tick(conn)
    assert sessions.notification_queue(conn) > 0  # asking alone does not help
    made._limits = STRICT
    assert len(made.tick(conn)) == 1
    wait_until(lambda: sessions.notification_queue(conn) == 0, what="an empty queue")


def test_a_flood_of_notifications_is_ended_by_its_rate(
    conn: Connection, student: Callable[..., Connection], database: Address, said: list[str]
) -> None:
    attacker, honest = student(), student()
    made = warden(conn, said, SessionLimits(notifies_per_s=100.0))
    ended: list[object] = []
    ear: list[Connection] = []

    def flood() -> bool:
        if not is_ended(attacker):
            attacker.execute("SELECT pg_notify('ganns_run_1', n::text) FROM generate_series(1, 2000) n")
        honest.execute("SELECT pg_notify('ganns_run_1', 'result')")
        if not ear or ear[-1].closed:
            ear.append(connect(database))
            made.listen(ear[-1])
            return False
        ended.extend(made.tick(conn))
        return bool(ended)

    wait_until(flood, what="the end of the flooder")
    ear[-1].close()
    assert "notifications a second" in said[0]
    assert login_of(honest) not in said[0]
    assert not is_ended(honest)


def test_one_burst_proves_nothing_and_a_flood_may_have_quiet_ticks(conn: Connection, said: list[str]) -> None:
    made, flooder, honest = warden(conn, said), 7, 8
    for notifies in ({flooder: 2000}, {}, {honest: 900}, {flooder: 2000}, {}):
        made._heard.append((1.0, Counter(notifies)))
    assert made._notifies_per_s(flooder) == 800
    assert made._notifies_per_s(honest) == 0
    made._heard.append((1.0, Counter()))  # the first burst is forgotten
    assert made._notifies_per_s(flooder) == 0


def test_what_was_ended_is_recorded_later_where_the_table_is_locked(
    conn: Connection, student: Callable[..., Connection], database: Address, said: list[str]
) -> None:
    attacker = student()
    attacker.execute("BEGIN")
    attacker.execute("SELECT 1")
    sessions.limit_lock_waits(conn, 0.05)
    made = warden(conn, said)
    with connect(database) as owner, owner.transaction():
        owner.execute("LOCK TABLE ganns.incidents IN ACCESS EXCLUSIVE MODE")
        assert len(made.tick(conn)) == 1
        wait_until(lambda: is_ended(attacker), what="the end of the session")
    assert said == []
    made.tick(conn)
    assert len(said) == 1


def test_a_wake_lets_workers_fetch_what_was_held(
    conn: Connection, student: Callable[..., Connection], database: Address, said: list[str]
) -> None:
    worker = FakeWorker(database, "honest")
    worker.conn.execute('LISTEN "procrastinate_queue_v1#gradients"')
    attacker = student()
    attacker.execute("BEGIN")
    attacker.execute("SELECT 1")
    warden(conn, said).tick(conn)
    assert list(worker.conn.notifies(timeout=30, stop_after=1))
    worker.conn.close()
