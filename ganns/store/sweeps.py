"""Sweeps: the runs that are their points."""

from __future__ import annotations

from ganns.db.connect import Connection
from ganns.db.queries import execute
from ganns.errors import RunError


def find_point(conn: Connection, point: str) -> int | None:
    """Return the run of a point, by the digest of its configuration; None if the point has no run yet."""
    row = execute(conn, "find_point", point=point).fetchone()
    return int(row["id"]) if row else None


def set_point(conn: Connection, run_id: int, point: str) -> None:
    """Store that a new run is this point; part of the caller's transaction."""
    execute(conn, "set_point", run_id=run_id, point=point)


def add_to_sweep(conn: Connection, sweep: str, run_id: int) -> None:
    """Store that the run is one of the sweep's points."""
    execute(conn, "add_to_sweep", sweep=sweep, run_id=run_id)


def list_sweep(conn: Connection, sweep: str) -> list[int]:
    """Return the runs of a sweep; the beginning of its key is enough.

    Raises:
        RunError: if there is no such sweep, or several.
    """
    rows = execute(conn, "list_sweep", sweep=sweep).fetchall()
    if not rows or not sweep:
        raise RunError(f"There is no sweep {sweep!r} in this database; a sweep says its key at its end.")
    if len(found := sorted({row["sweep"] for row in rows})) > 1:
        raise RunError(f"{sweep!r} is the beginning of several sweeps: {', '.join(found)}; give one letter more.")
    return [int(row["run_id"]) for row in rows]
