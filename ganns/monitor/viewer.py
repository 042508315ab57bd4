"""Connections that may only read."""

from __future__ import annotations

from ganns.db.address import Address
from ganns.db.connect import Connection, connect
from ganns.db.queries import execute
from ganns.monitor.rows import read_any_json


def become_viewer(conn: Connection) -> bool:
    """Reduce this connection's rights to reading what the class may see, and let it read whatever JSON is there.

    Returns:
        Whether the connection has the role `ganns_viewer` now. If the role is missing, or this login may not take
        it, the connection reads with its own rights. It writes nothing in either case.
    """
    read_any_json(conn)
    row = execute(conn, "become_viewer").fetchone()
    return bool(row and row["role"])


def connect_viewer(address: Address, application: str) -> Connection:
    """Connect as a viewer.

    Raises:
        DatabaseUnreachable: with host and port, never the password.
    """
    conn = connect(address, application=application, prepare=True)
    become_viewer(conn)
    return conn
