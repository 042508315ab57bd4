"""The coordinator's connections: one for transactions, one that listens, and a few for blobs.

A connection does one thing at a time. With a blob's chunks spread over several connections, several server processes
copy them at once; and the connection that listens must be idle to be woken. The cleanup, the evaluations and the warden
have a connection of their own, on their threads.

None of their statements waits for a lock without a limit, since a worker can hold a lock for as long as it likes. A
statement that does not get its lock raises `LockNotAvailable`, and its transaction is undone. The caller tries again,
or works around what is locked. At worst the coordinator begins again from the database, as after a lost connection.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import psycopg
from psycopg import sql

from ganns.db.address import Address
from ganns.db.connect import Connection, connect
from ganns.errors import DatabaseUnreachable
from ganns.store.sessions import limit_lock_waits
from ganns.utils.backoff import backoff_s

NUM_BLOB_CONNECTIONS = 3
SAY_EVERY_S = 30.0
"""While the server cannot be reached, a line is printed after each such time."""
LOCK_S = 3.0
"""The longest wait for a lock in the rounds' statements. The warden needs two seconds to end a session that has it."""
SIDE_LOCK_S = 0.8
"""The same for threads beside the rounds: they try again later, and a stopping program waits for them."""


def own_prefix(run_id: int) -> str:
    """Return the beginning of the names of a coordinator's connections, by which the server lists them."""
    return f"ganns coordinator {run_id}: "


def connect_own(address: Address, run_id: int, what: str, lock_s: float, *, prepare: bool = False) -> Connection:
    """Connect for one of the coordinator's purposes; no statement waits for a lock longer than `lock_s` seconds.

    Raises:
        DatabaseUnreachable: if the server does not answer.
    """
    conn = connect(address, application=own_prefix(run_id) + what, prepare=prepare)
    try:
        limit_lock_waits(conn, lock_s)
    except BaseException:
        conn.close()
        raise
    return conn


class Connections:
    """Open connections to one database, for one run."""

    def __init__(self, address: Address, run_id: int) -> None:
        """Connect.

        Raises:
            DatabaseUnreachable: if the server does not answer.
        """
        self._open: list[Connection] = []
        try:
            self.main = self._connect(address, run_id, "transactions")
            self.listener = self._connect(address, run_id, "listener")
            self.blobs = [self._connect(address, run_id, "blobs") for _ in range(NUM_BLOB_CONNECTIONS)]
            self.listener.execute(sql.SQL("LISTEN {}").format(sql.Identifier(f"ganns_run_{run_id}")))
        except BaseException:
            self.close()
            raise
        self.pool = ThreadPoolExecutor(NUM_BLOB_CONNECTIONS + 1, thread_name_prefix="blobs")

    def _connect(self, address: Address, run_id: int, what: str) -> Connection:
        conn = connect_own(address, run_id, what, LOCK_S, prepare=True)
        self._open.append(conn)
        return conn

    def wait(self, timeout_s: float) -> None:
        """Wait for a notification from the run, at most `timeout_s` seconds; it is a hint and says nothing."""
        for _ in self.listener.notifies(timeout=timeout_s, stop_after=1):
            pass

    def close(self) -> None:
        """Close every connection; never raises."""
        if hasattr(self, "pool"):
            self.pool.shutdown(wait=True, cancel_futures=True)
        for conn in self._open:
            with suppress(psycopg.Error):
                conn.close()


def open_connections(
    address: Address, run_id: int, say: Callable[[str], None], should_stop: Callable[[], bool]
) -> Connections | None:
    """Connect, and wait (with a message) while the server cannot be reached; return None if told to stop meanwhile."""
    failures, said_at = 0, 0.0
    while not should_stop():
        try:
            return Connections(address, run_id)
        except (DatabaseUnreachable, psycopg.OperationalError) as error:
            if time.monotonic() >= said_at:
                said_at = time.monotonic() + SAY_EVERY_S
                say(f"the database is away; trying again: {error}")
            time.sleep(backoff_s(failures, 0.25, 5.0))
            failures += 1
    return None
