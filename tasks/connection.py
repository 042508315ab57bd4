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

_local = threading.local()


def using(connection: Connection | None) -> Connection:
    """Return `connection`, or this thread's own, opened when it is first needed and again when it broke.

    Raises:
        NoDatabaseAddress: if the environment names no database.
        DatabaseUnreachable: if the server does not answer.
    """
    if connection is not None:
        return connection
    address = require()
    conn: Connection | None = getattr(_local, "conn", None)
    if conn is None or conn.closed or conn.broken or _local.conninfo != address.conninfo:
        if conn is not None:
            conn.close()
        conn = _local.conn = connect(address, application="ganns tasks")
        _local.conninfo = address.conninfo
    return conn


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
    conn: Connection | None = getattr(_local, "conn", None)
    if conn is not None:
        conn.close()
        _local.conn = None
