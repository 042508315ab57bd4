"""Grids of samples: one WebP picture for a version, and a limited number of them for a run."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from ganns.db.connect import Connection
from ganns.db.queries import execute

KEEP = 200
"""Maximum number of a run's grids: spread evenly over its versions, with the first and the last."""


class Sample(NamedTuple):
    """A stored grid, without its picture."""

    version: int
    at: datetime
    size_bytes: int


def put_sample(conn: Connection, run_id: int, version: int, picture: bytes, keep: int = KEEP) -> None:
    """Store a version's grid, and delete another one if there are more than `keep` (at least 2), in a transaction."""
    with conn.transaction():
        execute(conn, "put_sample", run_id=run_id, version=version, picture=picture)
        execute(conn, "thin_samples", run_id=run_id, keep=keep)


def list_samples(conn: Connection, run_id: int) -> list[Sample]:
    """Return the run's grids in order."""
    return [Sample(**row) for row in execute(conn, "list_samples", run_id=run_id)]


def get_sample(conn: Connection, run_id: int, version: int) -> bytes | None:
    """Return a version's picture; None if it is not stored (any more)."""
    row = execute(conn, "get_sample", run_id=run_id, version=version).fetchone()
    return bytes(row["picture"]) if row else None
