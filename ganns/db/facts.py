"""What there is to say about a database, for `ganns db`."""

from __future__ import annotations

from typing import Any

from ganns.db.connect import Connection
from ganns.db.queries import execute


def describe(conn: Connection) -> dict[str, Any]:
    """Return {server, size_bytes, role}."""
    return execute(conn, "database_facts").fetchone() or {}


def largest_tables(conn: Connection, num: int) -> list[tuple[str, int]]:
    """Return (name, bytes with indexes) of our largest tables."""
    return [(row["name"], row["size_bytes"]) for row in execute(conn, "table_sizes").fetchmany(num)]


def contents(conn: Connection) -> dict[str, int]:
    """Return {num_runs, num_coordinated, num_units, num_jobs} of a migrated database."""
    return execute(conn, "count_contents").fetchone() or {}
