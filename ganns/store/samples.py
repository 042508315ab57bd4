"""Grids of samples: a WebP picture a version, thinned out so that a long run's do not grow without end."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from ganns.db.connect import Connection
from ganns.db.queries import execute

KEEP = 200
"""So many grids of a run stay: evenly spread over its versions, the first and the last among them."""


class Sample(NamedTuple):
    """A grid that is there."""

    version: int
    at: datetime
    size_bytes: int


def put_sample(conn: Connection, run_id: int, version: int, picture: bytes, keep: int = KEEP) -> None:
    """Store a version's grid, and forget another one when there are more than `keep` (at least 2), in a transaction."""
    with conn.transaction():
        execute(conn, "put_sample", run_id=run_id, version=version, picture=picture)
        execute(conn, "thin_samples", run_id=run_id, keep=keep)


def list_samples(conn: Connection, run_id: int) -> list[Sample]:
    """Return which versions' grids are there, in order."""
    return [Sample(**row) for row in execute(conn, "list_samples", run_id=run_id)]


def get_sample(conn: Connection, run_id: int, version: int) -> bytes | None:
    """Return a version's grid; None if there is none (any more)."""
    row = execute(conn, "get_sample", run_id=run_id, version=version).fetchone()
    return bytes(row["picture"]) if row else None
