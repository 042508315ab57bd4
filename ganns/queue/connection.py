"""Connections of the task framework: one for each calling thread, and procrastinate's pool for a stock worker.

A call with `connection=` uses the caller's own connection and transaction: its jobs are enqueued when that transaction
commits, or not at all. A call without it uses the connection of `using`.
"""

from __future__ import annotations

import select
import threading
from typing import Any

import procrastinate
import psycopg
import psycopg_pool
from procrastinate import exceptions

from ganns.db.address import require
from ganns.db.connect import OPTIONS, Connection, connect
from ganns.db.queries import execute, query
from ganns.errors import DatabaseUnreachable

LOST = (psycopg.OperationalError, psycopg.InterfaceError, psycopg_pool.PoolTimeout, OSError)


def is_lost(error: BaseException) -> bool:
    """Return True if the connection failed, not the statement: then a repetition may succeed."""
    cause = (error.__cause__ or error) if isinstance(error, exceptions.ConnectorException) else error
    # psycopg calls "too large" operational too (class 54); it is as large the next time.
    return isinstance(cause, LOST) and not (getattr(cause, "sqlstate", None) or "").startswith("54")


class _ThreadConnection:
    """One thread's connection; Python deletes it, and so closes it, when the thread ends."""

    conn: Connection | None = None
    conninfo = ""

    def close(self) -> None:
        if self.conn is not None:
            self.conn.close()
            self.conn = None

    def is_lost(self) -> bool:
        """Return True if it was opened, and has been closed by the server or the network."""
        return self.conn is not None and (self.conn.closed or self.conn.broken)

    __del__ = close


_local = threading.local()


def _of_this_thread() -> _ThreadConnection:
    if not hasattr(_local, "connection"):
        _local.connection = _ThreadConnection()
    found: _ThreadConnection = _local.connection
    return found


def using(connection: Connection | None) -> Connection:
    """Return `connection`, or else this thread's own: opened at its first use, and again after it broke.

    Raises:
        NoDatabaseAddress: if the environment names no database.
        DatabaseUnreachable: if the server does not answer.
    """
    if connection is not None:
        return connection
    address, own = require(), _of_this_thread()
    if own.conn is None or own.conninfo != address.conninfo or not _is_open(own.conn):
        own.close()
        own.conn, own.conninfo = connect(address, application="ganns tasks"), address.conninfo
    return own.conn


def _is_open(conn: Connection) -> bool:
    """Return False if the connection is closed, also if the server closed it and this program did not read that yet."""
    if conn.closed or conn.broken:
        return False
    if select.select([conn.fileno()], [], [], 0)[0]:  # the server's goodbye, or a notification
        try:
            execute(conn, "whoami")
        except psycopg.Error:
            return False
    return True


def run(connection: Connection | None, name: str, **parameters: Any) -> psycopg.Cursor[dict[str, Any]]:
    """Run a named query on `connection`, or else on this thread's own connection.

    If its own connection is lost meanwhile, it opens another one and runs the query once more, but not a query that
    enqueues: the server may have done that.

    Raises:
        DatabaseUnreachable: if its own connection is lost.
    """
    if connection is not None:
        return execute(connection, name, **parameters)
    for attempt in range(2):
        try:
            return execute(using(None), name, **parameters)
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            if not is_lost(error) or not _of_this_thread().is_lost():
                raise
            if name == "tasks_apply":
                raise DatabaseUnreachable(
                    f"The connection to the database was lost ({' '.join(str(error).split())}) while tasks were "
                    "enqueued, so they may be there or not: `ganns tasks queued` shows it."
                ) from error
            if attempt:
                raise DatabaseUnreachable(
                    f"The connection to the database was lost ({' '.join(str(error).split())}): try again."
                ) from error
    raise AssertionError("unreachable")


def close() -> None:
    """Close this thread's connection, if it has one."""
    _of_this_thread().close()


async def _configure(conn: psycopg.AsyncConnection[Any]) -> None:
    await conn.set_autocommit(True)  # saves a round trip or two for each statement
    await conn.execute(query("session_settings"))


async def _check(conn: psycopg.AsyncConnection[Any]) -> None:
    """Ask the server for an answer, but only if the socket has something to read, such as the server's goodbye.

    The pool calls this before every statement, and asking each time doubles the round trips. A connection that the
    server closed is readable. A quiet one counts as good: a moment later that can be wrong in any case.
    """
    if select.select([conn.fileno()], [], [], 0)[0]:
        await psycopg_pool.AsyncConnectionPool.check_connection(conn)


class Connector(procrastinate.PsycopgConnector):
    """procrastinate's connector with our options. It looks up the address when it opens, not when it is imported."""

    def __init__(self) -> None:
        """Prepare a small pool; nothing is connected yet."""
        super().__init__(min_size=1, max_size=2, configure=_configure, kwargs={"prepare_threshold": None, **OPTIONS})

    async def _create_pool(self, pool_args: dict[str, Any]) -> psycopg_pool.AsyncConnectionPool:
        return psycopg_pool.AsyncConnectionPool(**pool_args, open=False, check=_check)

    async def open_async(self, pool: psycopg_pool.AsyncConnectionPool | None = None) -> None:
        """Open the pool on the address that the environment names.

        Raises:
            NoDatabaseAddress: if the environment names none.
        """
        self._pool_args["conninfo"] = require().conninfo
        await super().open_async(pool)
