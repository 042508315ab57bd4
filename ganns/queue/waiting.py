"""Waiting for results: LISTEN, look, wait at most a second, look again.

A notification is a hint. It can be lost (a broken connection, a pooler) or sent by anybody; what counts is what a
look at the tables says. There is a channel for each group, and for each job outside one: PostgreSQL wakes every
listening server process at any NOTIFY, but a client hears only of its own channel, so that one who waits for a single
result is not told of a thousand others.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from psycopg import sql

from ganns.db.connect import Connection
from ganns.errors import ResultTimeout

T = TypeVar("T")
POLL_S = 1.0


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


def wait_for(conn: Connection, channel: str, look: Callable[[], T | None], timeout: float | None, what: str) -> T:
    """Return what `look` finds, as soon as it is not None.

    Raises:
        ResultTimeout: after `timeout` seconds.
    """
    if (found := look()) is not None:
        return found
    until = None if timeout is None else time.monotonic() + timeout
    with listening(conn, channel):
        while (found := look()) is None:
            left_s = POLL_S if until is None else min(POLL_S, until - time.monotonic())
            if left_s <= 0:
                raise ResultTimeout(
                    f"{what} is not there after {timeout} s. The task goes on: wait again, or revoke it."
                )
            for _ in conn.notifies(timeout=left_s, stop_after=1):
                pass
    return found
