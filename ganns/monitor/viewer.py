"""Connections that may only look."""

from __future__ import annotations

from ganns.db.address import Address
from ganns.db.connect import Connection, connect
from ganns.db.queries import execute


def become_viewer(conn: Connection) -> bool:
    """Give this connection's rights up, but for reading what the class may see.

    Returns:
        Whether it is the role `ganns_viewer` now. If that role is not there, or not for this login, the connection
        reads with its own rights; it writes nothing in either case.
    """
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
