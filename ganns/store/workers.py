"""The worker's side: the functions of `ganns_api`, which are all that a student's login will ever need.

At the end, what the coordinator asks about workers.
"""

from __future__ import annotations

from typing import Any

from ganns.db.connect import Connection
from ganns.db.queries import execute


def count_alive(conn: Connection, silent_s: float) -> int:
    """Return how many workers had a heartbeat within `silent_s` seconds."""
    row = execute(conn, "count_alive", silent_s=silent_s).fetchone()
    return int(row["num_alive"]) if row else 0


def worker_totals(conn: Connection, run_id: int) -> list[dict[str, Any]]:
    """Return {name, units, images, late, seconds} of every worker that contributed to a run."""
    return execute(conn, "worker_totals", run_id=run_id).fetchall()
