"""Wait for results: LISTEN, check, wait for at most a second, check again.

A notification is only a hint. It can be lost (a broken connection, a pooler), and any login can send one; the rows of
the tables decide. Each group has a channel of its own, and so has each job outside a group. PostgreSQL wakes every
listening server process at any NOTIFY, but a client receives only the notifications of its own channels: a caller that
waits for one result does not receive a thousand others.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg import sql

from ganns.db.connect import Connection
from ganns.errors import BadArguments, DatabaseUnreachable, ResultTimeout, TaskUsageError
from ganns.queue.connection import using

T = TypeVar("T")
POLL_S = 1.0
AWAY_S = 60.0
"""The longest absence of the server during which a caller goes on waiting."""


_running = threading.local()
"""`task`: the name of the task that this thread runs."""


@contextmanager
def no_waiting(task: str) -> Iterator[None]:
    """Refuse to wait for results in this thread inside the block, which runs a task.

    With one worker such a wait would never end: the worker that should compute the result is the one that waits.
    """
    _running.task = task
    try:
        yield
    finally:
        _running.task = None


def connection_for_waiting(connection: Connection | None) -> Connection:
    """Return a connection that can wait for notifications: `connection`, or else this thread's own.

    Raises:
        TaskUsageError: inside a task; or inside a transaction, which gets no notifications and cannot see later
            commits.
    """
    if (task := getattr(_running, "task", None)) is not None:
        raise TaskUsageError(
            f"The task {task} waits for the result of another one: with one worker it would wait for ever. Use a chain "
            "or a chord, in which the next task gets the result as an argument, or look at `.ready()` and `.result`."
        )
    conn = using(connection)
    if not conn.autocommit or conn.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
        raise TaskUsageError(
            "Waiting for a result inside a transaction would never end, because a job is enqueued at the commit: "
            "end the transaction first, and wait on an autocommit connection, or without `connection=`."
        )
    return conn


@contextmanager
def listening(conn: Connection, channel: str) -> Iterator[None]:
    """LISTEN on the channel inside the block."""
    name = sql.Identifier(channel)
    conn.execute(sql.SQL("LISTEN {}").format(name))
    try:
        yield
    finally:
        if not conn.closed and not conn.broken:
            conn.execute(sql.SQL("UNLISTEN {}").format(name))


def _checked(timeout: Any) -> float:
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or math.isnan(timeout):
        raise BadArguments(f"timeout={timeout!r} must be a number of seconds, such as 60, or None to wait for ever.")
    return float(timeout)


def wait_for(
    connection: Connection | None, channel: str, check: Callable[[], T | None], timeout: float | None, what: str
) -> T:
    """Return the first value of `check` that is not None.

    If this thread's own connection is lost meanwhile, it opens another one and goes on.

    Raises:
        BadArguments: if `timeout` is no number.
        ResultTimeout: after `timeout` seconds.
        DatabaseUnreachable: if the server stays away for `AWAY_S`.
        TaskUsageError: inside a transaction, or inside a task.
    """
    until = None if timeout is None else time.monotonic() + _checked(timeout)
    away_since: float | None = None
    while True:
        try:
            conn = connection_for_waiting(connection)
            away_since = None
            return _wait_on(conn, channel, check, until, f"{what} is not there after {timeout} s.")
        except (psycopg.OperationalError, psycopg.InterfaceError, DatabaseUnreachable) as error:
            if connection is not None:  # the caller's, with the state of a session that only the caller knows
                raise
            now = time.monotonic()
            away_since = away_since or now
            if now - away_since > AWAY_S or (until is not None and now > until):
                raise DatabaseUnreachable(
                    f"{what} could not be awaited: the database does not answer. The task goes on: wait again."
                ) from error
            time.sleep(0.0 if now == away_since else POLL_S)


def _wait_on(conn: Connection, channel: str, check: Callable[[], T | None], until: float | None, late: str) -> T:
    if (found := check()) is not None:
        return found
    with listening(conn, channel):
        while (found := check()) is None:
            left_s = POLL_S if until is None else min(POLL_S, until - time.monotonic())
            if left_s <= 0:
                raise ResultTimeout(f"{late} The task goes on: wait again, or revoke it.")
            for _ in conn.notifies(timeout=left_s, stop_after=1):
                pass
    return found
