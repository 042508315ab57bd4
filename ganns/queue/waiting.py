"""Wait for results: LISTEN, check, wait for at most a second, check again.

A notification is only a hint. It can be lost (a broken connection, a pooler), and any login can send one; the rows of
the tables decide. Each group has a channel of its own, and so has each job outside a group. PostgreSQL wakes every
listening server process at any NOTIFY, but a client receives only the notifications of its own channels: a caller that
waits for one result does not receive a thousand others.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import psycopg
from psycopg import sql

from ganns.db.connect import Connection
from ganns.errors import ResultTimeout, TaskUsageError
from ganns.queue.connection import using

T = TypeVar("T")
POLL_S = 1.0


def connection_for_waiting(connection: Connection | None) -> Connection:
    """Return a connection that can wait for notifications: `connection`, or else this thread's own.

    Raises:
        TaskUsageError: inside a transaction, which gets no notifications and cannot see later commits.
    """
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


def wait_for(conn: Connection, channel: str, check: Callable[[], T | None], timeout: float | None, what: str) -> T:
    """Return the first value of `check` that is not None.

    Raises:
        ResultTimeout: after `timeout` seconds.
    """
    if (found := check()) is not None:
        return found
    until = None if timeout is None else time.monotonic() + timeout
    with listening(conn, channel):
        while (found := check()) is None:
            left_s = POLL_S if until is None else min(POLL_S, until - time.monotonic())
            if left_s <= 0:
                raise ResultTimeout(
                    f"{what} is not there after {timeout} s. The task goes on: wait again, or revoke it."
                )
            for _ in conn.notifies(timeout=left_s, stop_after=1):
                pass
    return found
