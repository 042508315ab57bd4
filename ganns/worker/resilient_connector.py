"""procrastinate's connector, on a connection that cannot hang.

The stock connector has a pool. The pool checks a connection before each use (a round trip), waits longer after each
failed attempt to reconnect (a minute, after an outage of a minute), and hangs with a half-open connection. This
connector has one connection for all statements, and one for LISTEN. A failure closes the connection, and the next
statement opens another one. A statement without an answer after `ANSWER_S` is cut off; the caller handles the error.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from typing import Any

import procrastinate
import psycopg
from procrastinate import connector, sql
from procrastinate.sync_psycopg_connector import wrap_exceptions
from psycopg.rows import DictRow, dict_row

from ganns.db.address import require
from ganns.db.connect import OPTIONS, cut
from ganns.db.queries import query

ANSWER_S = 5.0
"""No statement of a worker takes this long, except one with a large result (`longer_answer`)."""
_answer_s = ContextVar("answer_s", default=ANSWER_S)
PING_S = 10.0
"""Seconds without a notification after which the LISTEN connection is tested."""


class ResilientConnector(procrastinate.PsycopgConnector):
    """At most two connections: one for statements, one for LISTEN."""

    def __init__(self) -> None:
        """Create it; nothing is connected yet."""
        super().__init__()
        self._conn: psycopg.AsyncConnection[Any] | None = None
        self._turn = asyncio.Lock()
        self._conninfo = ""
        self.num_opened = 0
        self.on_listening: Callable[[], None] = lambda: None

    async def open_async(self, pool: Any = None) -> None:
        """Look up the address. The first statement connects, because it can be repeated.

        Raises:
            NoDatabaseAddress: if the environment names none.
        """
        self._conninfo = require().conninfo

    async def close_async(self) -> None:
        """Close the connection."""
        conn, self._conn = self._conn, None
        if conn is not None:
            with suppress(psycopg.Error):
                await conn.close()

    def get_sync_connector(self) -> connector.BaseConnector:
        """Return this connector: a task's thread defers jobs through the event loop."""
        return self

    async def _connect(self, application: str) -> psycopg.AsyncConnection[Any]:
        # connect_timeout, in OPTIONS, ends the wait for a server that accepts and then sends nothing.
        conn = await psycopg.AsyncConnection.connect(
            self._conninfo, autocommit=True, prepare_threshold=None, application_name=application, **OPTIONS
        )
        try:
            with answer_expected(conn):
                await conn.execute(query("session_settings"))
        except BaseException:
            await conn.close()
            raise
        self.num_opened += 1
        return conn

    @asynccontextmanager
    async def _get_cursor(
        self, connection: psycopg.AsyncConnection[Any] | None = None
    ) -> AsyncGenerator[psycopg.AsyncCursor[DictRow], None]:
        if connection is not None:  # the caller's own transaction
            async with connection.cursor(row_factory=dict_row) as cursor:
                yield cursor
            return
        async with self._turn:
            if self._conn is None or self._conn.closed or self._conn.broken:
                self._conn = await self._connect("ganns worker")
            conn = self._conn
            try:
                with answer_expected(conn, _answer_s.get()):
                    async with conn.cursor(row_factory=dict_row) as cursor:
                        yield cursor
            except (psycopg.OperationalError, psycopg.InterfaceError, asyncio.CancelledError):
                await self.close_async()
                raise

    async def listen_notify(self, on_notification: connector.Notify, channels: Iterable[str]) -> None:
        """Listen until the connection is lost; raise that error."""
        with wrap_exceptions():
            async with await self._connect("ganns worker: listen") as conn:
                with answer_expected(conn):
                    for channel in channels:
                        await conn.execute(
                            self._make_dynamic_query(query=sql.queries["listen_queue"], channel_name=channel)
                        )
                self.on_listening()  # the caller must look for jobs that came before
                while True:
                    async for note in conn.notifies(timeout=PING_S):
                        await on_notification(channel=note.channel, payload=note.payload)
                    with answer_expected(conn):
                        await conn.execute(sql.queries["check_connection"])


@contextmanager
def longer_answer(by_s: float) -> Iterator[None]:
    """Give the statements of the block more time for their answer."""
    token = _answer_s.set(ANSWER_S + by_s)
    try:
        yield
    finally:
        _answer_s.reset(token)


@contextmanager
def answer_expected(conn: psycopg.AsyncConnection[Any], within_s: float = ANSWER_S) -> Iterator[None]:
    """Cut the connection if the block takes longer than `within_s` seconds.

    `asyncio.wait_for` does not help: after a cancellation, psycopg asks the server to end the statement and waits for
    its answer, for ever if the server is gone.
    """
    timer = asyncio.get_running_loop().call_later(within_s, cut, conn)
    try:
        yield
    finally:
        timer.cancel()
