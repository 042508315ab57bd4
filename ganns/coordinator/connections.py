"""The coordinator's connections: one for transactions, one that listens, a few for blobs, one for reconciler.

A connection carries one conversation at a time. Splitting a blob over a few of them lets as many server
processes copy it at once; a connection that listens must be free to be woken.
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

NUM_BLOB_CONNECTIONS = 3
SAY_EVERY_S = 30.0
"""While the server is away, a line is printed so often."""


class Session:
    """Open connections to one database, for one run."""

    def __init__(self, address: Address, run_id: int) -> None:
        """Connect.

        Raises:
            DatabaseUnreachable: if the server does not answer.
        """
        self._open: list[Connection] = []
        try:
            self.main = self._connect(address, "transactions")
            self.listener = self._connect(address, "listener")
            self.blobs = [self._connect(address, "blobs") for _ in range(NUM_BLOB_CONNECTIONS)]
            self.listener.execute(sql.SQL("LISTEN {}").format(sql.Identifier(f"ganns_run_{run_id}")))
        except BaseException:
            self.close()
            raise
        self.pool = ThreadPoolExecutor(NUM_BLOB_CONNECTIONS + 1, thread_name_prefix="blobs")

    def _connect(self, address: Address, what: str) -> Connection:
        conn = connect(address, application=f"ganns coordinator: {what}", prepare=True)
        self._open.append(conn)
        return conn

    def wait(self, timeout_s: float) -> None:
        """Sleep until a worker submitted something, or `timeout_s` seconds; what woke us is only a hint."""
        for _ in self.listener.notifies(timeout=timeout_s, stop_after=1):
            pass

    def close(self) -> None:
        """Close every connection; never raises."""
        if hasattr(self, "pool"):
            self.pool.shutdown(wait=True, cancel_futures=True)
        for conn in self._open:
            with suppress(psycopg.Error):
                conn.close()


def open_patiently(
    address: Address, run_id: int, say: Callable[[str], None], should_stop: Callable[[], bool]
) -> Session | None:
    """Connect, waiting for a server that is away (and saying so); None if told to stop meanwhile."""
    delay_s, said_at = 0.2, 0.0
    while not should_stop():
        try:
            return Session(address, run_id)
        except (DatabaseUnreachable, psycopg.OperationalError) as error:
            if time.monotonic() >= said_at:
                said_at = time.monotonic() + SAY_EVERY_S
                say(f"the database is away; trying again: {error}")
            time.sleep(delay_s)
            delay_s = min(2 * delay_s, 5.0)
    return None
