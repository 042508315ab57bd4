"""Deleting runs."""

from __future__ import annotations

from ganns.db.connect import Connection
from ganns.db.queries import execute
from ganns.errors import LeaseLost, RunError


def delete_run(conn: Connection, run_id: int) -> str:
    """Delete a run with its jobs, weights, results, checkpoints, metrics and credit; return its key.

    Part of the caller's transaction. A unit that is being computed right now is revoked; its worker finds nothing to
    submit it to. Its job's row stays until the worker has ended it, and is swept a day later.

    Raises:
        RunError: if there is no such run.
        LeaseLost: if a coordinator is at work on it.
    """
    row = execute(conn, "lock_run", run_id=run_id).fetchone()
    if row is None:
        raise RunError(f"There is no run {run_id} in this database; `ganns runs` lists the runs.")
    if row["coordinated"]:
        raise LeaseLost(
            f"Run {run_id} has a coordinator right now, {row['lease_holder']}: stop that one with Ctrl-C first."
        )
    jobs = [one["id"] for one in execute(conn, "run_jobs", run_id=run_id)]
    execute(conn, "tasks_revoke", job_ids=jobs, terminate=False)
    execute(conn, "tasks_forget", job_ids=jobs)
    execute(conn, "delete_run", run_id=run_id)
    return str(row["key"])
