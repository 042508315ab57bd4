"""The jobs behind a round's units: a group of the task framework, by its public interface.

The coordinator awaits the group itself, since it closes it in the transaction that also steps the model; so the group
has no quorum of its own. Tasks are named, not imported: the coordinator needs nothing of a worker's code.
"""

from __future__ import annotations

from collections.abc import Sequence

from ganns.db.connect import Connection
from ganns.store.rounds import QUEUE, TASK
from ganns.store.turns import take_turn
from tasks.canvas import group
from tasks.results import GroupResult
from tasks.signature import signature


def enqueue(conn: Connection, run_id: int, round_: int, units: Sequence[int]) -> GroupResult:
    """Enqueue one job for each unit, in the connection's transaction, behind those of runs that used less so far."""
    jobs = group(
        signature(TASK, kwargs={"run": run_id, "round": round_, "unit": unit}, queue=QUEUE) for unit in units
    ).apply_async(connection=conn)
    take_turn(conn, run_id, jobs.job_ids)
    return jobs
