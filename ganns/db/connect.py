"""Connections to PostgreSQL that notice when the server is gone.

| how | used by | why |
|---|---|---|
| `connect` | commands, the coordinator, viewers | the base of all others: one connection, for one thread |
| `SharedConnection` | a worker's tasks | threads share it; it closes when idle, and is cut when it hangs |
| `ganns.queue.connection.using` | callers of tasks | one for each thread: `delay()` needs no argument |
| `ganns.queue.connection.Connector` | the stock `procrastinate worker` | procrastinate's own pool, with our options |
| `ganns.worker.resilient_connector` | `ganns worker` | no pool: a failed or hanging connection is replaced at once |
| `ganns.coordinator.connections` | the coordinator | several: LISTEN, transactions and uploads at the same time |

Which server: `ganns.db.address` and `ganns.db.choose`.

A *half-open* connection is the trap. Something between us and the server (a proxy, a NAT, a firewall) still
acknowledges what we send, but the server is gone. Keepalives are answered, so the operating system notices nothing, and
a thread that waits for an answer waits for ever. No thread can interrupt another one, but any thread can shut down its
socket: then the waiting thread gets an error, as if the server had closed the connection (`cut`).
"""

from __future__ import annotations

import re
import socket
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg

from ganns.db.address import Address, require
from ganns.db.queries import query
from ganns.errors import DatabaseUnreachable

Connection = psycopg.Connection[Any]

OPTIONS: dict[str, Any] = {
    "connect_timeout": 5,
    # When a laptop changes its network, its old connections look alive. These options let the system detect them.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15000,
    "client_encoding": "UTF8",  # whatever PGCLIENTENCODING says
}
"""libpq's options for every connection, in seconds; tcp_user_timeout in milliseconds."""


def connect(
    address: Address, *, autocommit: bool = True, application: str = "ganns", prepare: bool = False
) -> Connection:
    """Connect to `address`.

    Args:
        address: the server, the database and the login.
        autocommit: with True, `with conn.transaction()` is the only way to open a transaction: none opens by accident.
        application: the connection's name in the server's lists.
        prepare: let psycopg prepare repeated statements, which saves planning. Behind a pooler in transaction mode the
            next statement may reach a server process that does not have the prepared one: set it only in programs
            that cannot work behind such a pooler in any case.

    Raises:
        DatabaseUnreachable: with host and port, never the password.
    """
    try:
        conn = psycopg.connect(
            address.conninfo,
            autocommit=True,
            application_name=application,
            prepare_threshold=5 if prepare else None,
            **OPTIONS,
        )
        try:
            settle(conn)
            conn.autocommit = autocommit
        except BaseException:
            conn.close()
            raise
        return conn
    except psycopg.OperationalError as error:
        reason = " ".join(str(error).split())
        todo = "Check the address, and that the server is up: `ganns db status`."
        if (meaning := explain_refusal(reason)) is not None:
            todo = f"{meaning[0][0].upper()}{meaning[0][1:]}: {meaning[1]}."
        raise DatabaseUnreachable(
            f"Cannot connect to the database {address} (from {address.source}): {reason} {todo}"
        ) from error


def settle(conn: Connection) -> None:
    """Set what we rely on: psycopg reads no times in the form of another country, and our statements are short ones."""
    conn.execute(query("session_settings"))


REASONS = (
    (
        r"invalid response to SSL negotiation|expected authentication request",
        "the program that answers there is not PostgreSQL",
        "compare the port with the line that you were given",
    ),
    (r"password authentication failed", "the password or the login is wrong", "copy the line again, whole"),
    (
        r"no password supplied",
        "the server asks for a password, and the address has none",
        "postgresql://user:PASSWORD@...",
    ),
    (
        r"no pg_hba\.conf entry|pg_hba\.conf rejects",
        "the server does not let this machine, login or database in",
        "ask the person who runs the server (pg_hba.conf)",
    ),
    (r'database "[^"]*" does not exist', "there is no database of that name", "correct the name after the port"),
    (r"is not permitted to log in", "this login was revoked", "ask your instructor for a new line"),
    (
        r"too many connections for role",
        "this login has as many connections as it may have",
        "end a worker of yours, or wait a minute",
    ),
    (r'role "[^"]*" does not exist', "there is no such login", "correct the name before the @"),
    (
        r"too many clients|connection slots|too many connections|max_client_conn",
        "the server has no connection left",
        "ask the person who runs the server for more max_connections, or a pooler",
    ),
    (
        r"takes only encrypted connections",
        "the server takes only encrypted connections",
        "take sslmode=disable out of the address, or use the line that `ganns db serve` prints",
    ),
    (
        r"server does not support SSL",
        "the server cannot encrypt, and nothing was sent to it",
        "use the line of a newer `ganns db serve`; on a network that you trust, sslmode=disable sends all in clear",
    ),
    (
        r"certificate verify failed",
        "the server that answers is not the one of your address, since its certificate is another; it got no password",
        "copy the line again; if it is the same, tell your instructor: another machine may answer in its place",
    ),
    (
        r"server certificate for .* does not match host name",
        "the certificate of the server that answers is for another name; it got no password",
        "copy the address again, whole",
    ),
    (
        r"certificate|root\.crt|SSL",
        "TLS failed",
        "copy the line again, whole; at a provider, look up which sslmode and sslrootcert it needs",
    ),
    (r"timeout expired|timed out", "it does not answer in time", "a firewall, another network, or a server that hangs"),
)
"""(Pattern of an error of the server or of libpq, its meaning, what to do.)"""


def explain_refusal(text: str) -> tuple[str, str] | None:
    """Return the meaning of an error's text and what to do; None for an unknown error."""
    return next(((said, todo) for pattern, said, todo in REASONS if re.search(pattern, text)), None)


IDLE_S = 5.0
"""A worker that waits for a round holds no connection for blobs; between two units of a round it keeps one."""
STUCK_S = 60.0
"""A connection on which no byte has moved for this time is cut, in case no other connection notices the fault."""
RECOVER_S = 10.0
"""The same, when another connection has just noticed a fault: a slow link may rest for seconds, and is not dead."""

_shared: weakref.WeakSet[SharedConnection] = weakref.WeakSet()


def cut(conn: psycopg.Connection[Any] | psycopg.AsyncConnection[Any]) -> None:
    """Shut down a connection's socket, from any thread: a thread that waits on it gets an error."""
    # A copy made from the descriptor's number: `shutdown` ignores the family, and closing the copy is harmless.
    with (
        suppress(psycopg.Error, OSError),
        socket.fromfd(conn.fileno(), socket.AF_INET, socket.SOCK_STREAM) as copy,
    ):
        copy.shutdown(socket.SHUT_RDWR)


def cut_waiting(older_than_s: float = RECOVER_S) -> int:
    """Cut the shared connections that wait, and on which nothing has moved for `older_than_s`; return their number.

    Called after a reconnect: such a connection waits for a server that is gone. One that still sends is left alone,
    however long its statement takes.
    """
    return sum(one.cut_if_waiting(older_than_s) for one in list(_shared))


def note_progress(conn: Connection) -> None:
    """Record that bytes have moved on a connection; if it is a shared one, it is then not taken for dead."""
    for one in list(_shared):
        one.note_progress(conn)


class SharedConnection:
    """One connection for several threads, which take turns. It opens at its first use and closes when it is idle."""

    def __init__(self, application: str, idle_s: float = IDLE_S, stuck_s: float = STUCK_S) -> None:
        """Keep the settings; nothing is connected yet."""
        self._application, self._idle_s, self._stuck_s = application, idle_s, stuck_s
        self._turn = threading.RLock()
        self._conn: Connection | None = None
        self._busy_since: float | None = None
        self._moved_at = 0.0
        self._used_at = time.monotonic()
        self._monitor: threading.Thread | None = None
        self.num_opened = 0
        _shared.add(self)

    @contextmanager
    def use(self) -> Iterator[Connection]:
        """Yield the open connection, for a few statements; other threads wait.

        Raises:
            DatabaseUnreachable: if the server does not answer.
        """
        with self._turn:
            outermost = self._busy_since is None
            self._busy_since = self._busy_since or time.monotonic()
            try:
                if self._conn is None or self._conn.closed or self._conn.broken:
                    self._conn = connect(require(), application=self._application)
                    self.num_opened += 1
                    self._start_monitor()
                yield self._conn
            finally:
                self._used_at = time.monotonic()
                if outermost:
                    self._busy_since = None

    def note_progress(self, conn: Connection) -> None:
        """Record that bytes have moved, if `conn` is this one."""
        if conn is self._conn:
            self._moved_at = time.monotonic()

    def cut_if_waiting(self, longer_than_s: float) -> bool:
        """Cut the connection if a thread uses it, and nothing has moved for longer than this; return True if cut."""
        since, conn = self._busy_since, self._conn
        if since is None or conn is None or time.monotonic() - max(since, self._moved_at) < longer_than_s:
            return False
        cut(conn)
        return True

    def close(self) -> None:
        """Close the connection; the next use opens another."""
        with self._turn:
            if self._conn is not None:
                self._conn.close()
                self._conn = None

    def _start_monitor(self) -> None:
        if self._monitor is None or not self._monitor.is_alive():
            self._monitor = threading.Thread(
                target=_monitor, args=(weakref.ref(self),), name="shared connection", daemon=True
            )
            self._monitor.start()

    def _check(self) -> bool:
        """Cut the connection if it hangs, close it if it is idle; return False if it is closed."""
        self.cut_if_waiting(self._stuck_s)
        # Do not wait for the lock: a thread that holds it uses the connection.
        if time.monotonic() - self._used_at > self._idle_s and self._turn.acquire(blocking=False):
            try:
                if self._busy_since is None:
                    self.close()
                    self._monitor = None
                    return False
            finally:
                self._turn.release()
        return True


def _monitor(reference: weakref.ref[SharedConnection]) -> None:
    """Check a shared connection until it is closed; the weak reference lets Python delete it in between."""
    while (shared := reference()) is not None and shared._check():
        pause_s = min(1.0, shared._idle_s / 2)
        del shared
        time.sleep(pause_s)
