"""Sessions on the server: whose they are, what they hold, for whom ours wait; and how to end them."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from ganns.db.connect import Connection
from ganns.db.queries import execute, query
from ganns.store import students

UNREADABLE = "<insufficient privilege>"
"""The server's text of a statement that this login may not see; it shows no state and no times then, either."""
TRANSFERS = (
    *("api_put_part", "api_weights", "api_link", "api_evaluated_generator", "api_feature_network"),
    *("tasks_finish", "tasks_blob"),
)
"""Our statements that take long because of a slow link, and not because of the server."""


@dataclass(frozen=True)
class Student:
    """A login that the warden watches."""

    role: int  # its number on the server
    login: str
    label: str
    shared: bool  # by a class: then the login does not say who it is


@dataclass(frozen=True)
class Session:
    """A student's session, as of one look."""

    pid: int
    role: int
    start: datetime
    state: str  # "active", "idle", "idle in transaction", ...
    query: str  # the present statement, or the last one
    waits_for: str  # "Client", "Lock", "Timeout", ...; "" if for nothing
    transaction_s: float | None  # its age; None without a transaction
    statement_s: float | None  # the age of the present statement, or of the last one
    num_locks: int
    num_advisory: int  # advisory locks among them

    @property
    def is_readable(self) -> bool:
        """Tell whether this login may see what the session does."""
        return self.query != UNREADABLE

    @property
    def is_transfer(self) -> bool:
        """Tell whether it waits for the network within one of our statements that carry blobs.

        The text alone proves nothing, since anyone can write it. But a session that sleeps, computes or waits for a
        lock does not wait for the network. Ours are whole statements, each alone in its transaction: more may have
        taken locks before.
        """
        is_alone = (self.transaction_s or 0.0) <= (self.statement_s or 0.0) + 1.0
        return self.state == "active" and self.waits_for == "Client" and is_alone and bool(_OURS.fullmatch(self.query))


@dataclass(frozen=True)
class Wait:
    """A session of ours that waits for a lock, and a session that holds it."""

    application: str  # ours
    pid: int  # the holder's, as are all that follow
    role: int
    login: str
    of: str  # its application's name
    waits_s: float


def _shown(name: str) -> str:
    """Return a pattern of a statement as the server shows it: with $1, $2 in place of the names."""
    return r"\$\d+".join(re.escape(text) for text in re.split(r"%\(\w+\)[sbt]", query(name)))


_OURS = re.compile("|".join(f"(?:{_shown(name)})" for name in TRANSFERS))


def me(conn: Connection) -> tuple[int, str]:
    """Return the number and the name of this connection's login."""
    row = execute(conn, "warden_me").fetchone()
    assert row is not None
    return row["role"], row["login"]


def student_logins(conn: Connection) -> dict[int, Student]:
    """Return the logins that the warden watches, by their numbers."""
    return {row["role"]: Student(**row) for row in execute(conn, "student_logins")}


def all_roles(conn: Connection) -> set[int]:
    """Return the numbers of all roles of the server."""
    return {row["role"] for row in execute(conn, "all_roles")}


def list_sessions(conn: Connection, others: Collection[int]) -> list[Session]:
    """Return the sessions of all roles but these, in all databases of the server."""
    return [Session(**row) for row in execute(conn, "warden_sessions", others=list(others))]


def list_waits(conn: Connection, role: int) -> list[Wait]:
    """Return for each session of ours that waits for a lock the sessions that hold it, the longest wait first."""
    return [Wait(**row) for row in execute(conn, "warden_waits", role=role)]


def end_session(conn: Connection, session: Session) -> bool:
    """End a session; return False if it is gone already.

    Raises:
        psycopg.errors.InsufficientPrivilege: this login may not end sessions of that one.
    """
    row = execute(conn, "end_session", pid=session.pid, start=session.start, role=session.role).fetchone()
    return bool(row and row["ended"])


def cancel_waiting(conn: Connection, role: int, prefix: str) -> int:
    """Cancel our own statements that wait for a lock, of connections whose names begin with `prefix`."""
    row = execute(conn, "cancel_waiting", role=role, prefix=prefix).fetchone()
    return int(row["num"]) if row else 0


def notification_queue(conn: Connection) -> float:
    """Return how full the queue of notifications is, from 0 to 1, and drop what all listeners have read."""
    row = execute(conn, "notification_queue").fetchone()
    return float(row["used"]) if row else 0.0


def limit_lock_waits(conn: Connection, seconds: float) -> None:
    """Let each later statement wait for a lock at most so long; then it raises LockNotAvailable."""
    execute(conn, "limit_lock_waits", milliseconds=round(1000 * seconds))


def record_ended(
    conn: Connection, run_id: int, student: Student, session: Session, reason: str
) -> tuple[str, int] | None:
    """Record an ended session.

    Returns:
        The names of its login's workers ("" for a shared login: it does not say which worker it was), and the number of
        the login's sessions that were ended within a day. None: another coordinator has recorded it.
    """
    row = execute(
        conn,
        "insert_incident",
        run_id=run_id,
        kind="ended",
        login=student.login,
        label=student.label,
        worker="" if student.shared else None,
        reason=reason,
        pid=session.pid,
        start=session.start,
    ).fetchone()
    return (row["worker"], row["num"]) if row else None


def record(conn: Connection, run_id: int, kind: str, login: str, worker: str | None, reason: str) -> None:
    """Record what a coordinator did about a worker, or about all of a login (None): "overdue" or "excluded"."""
    found = {one.login: one.label for one in student_logins(conn).values()}
    execute(
        conn,
        "insert_incident",
        run_id=run_id,
        kind=kind,
        login=login,
        label=found.get(login, ""),
        worker=worker,
        reason=reason,
        pid=None,
        start=None,
    )


def revoke(conn: Connection, run_id: int, student: Student, reason: str) -> None:
    """Throw a student out as `ganns students revoke` does, and record it.

    Raises:
        DatabaseError: this login may not change that one.
    """
    students.revoke(conn, student.login)
    execute(conn, "record_revoked", run_id=run_id, login=student.login, label=student.label, reason=reason)
