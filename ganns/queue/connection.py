"""The connection for callers that give none: one a thread, on the address of the environment, kept open.

With `connection=` everything happens on the caller's own, inside its transaction: enqueued together with whatever
else the transaction does, or not at all.
"""

from __future__ import annotations

import threading

import psycopg

from ganns.db.address import require
from ganns.db.connect import Connection, connect
from ganns.errors import TaskUsageError


class _Own:
    """One thread's connection; it is closed when the thread ends and forgets it."""

    conn: Connection | None = None
    conninfo = ""

    def close(self) -> None:
        if self.conn is not None:
            self.conn.close()
            self.conn = None

    __del__ = close


_local = threading.local()


def _own() -> _Own:
    if not hasattr(_local, "own"):
        _local.own = _Own()
    own: _Own = _local.own
    return own


def using(connection: Connection | None) -> Connection:
    """Return `connection`, or this thread's own, opened when it is first needed and again when it broke.

    Raises:
        NoDatabaseAddress: if the environment names no database.
        DatabaseUnreachable: if the server does not answer.
    """
    if connection is not None:
        return connection
    address, own = require(), _own()
    if own.conn is None or own.conn.closed or own.conn.broken or own.conninfo != address.conninfo:
        own.close()
        own.conn, own.conninfo = connect(address, application="ganns tasks"), address.conninfo
    return own.conn


def for_waiting(connection: Connection | None) -> Connection:
    """Return a connection that can wait for notifications.

    Raises:
        TaskUsageError: inside a transaction: it would neither be notified nor see what others commit.
    """
    conn = using(connection)
    if not conn.autocommit or conn.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
        raise TaskUsageError(
            "Waiting for a result inside a transaction would last for ever, since a job is enqueued at its commit: "
            "end the transaction first, and wait on an autocommit connection (or on none, for one of our own)."
        )
    return conn


def close() -> None:
    """Close this thread's connection, if it has one."""
    _own().close()
