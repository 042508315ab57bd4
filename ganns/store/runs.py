"""Runs and their metrics."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from psycopg.types.json import Jsonb

from ganns.db.connect import Connection
from ganns.db.queries import execute
from ganns.errors import LeaseLost, RunError


@dataclass(frozen=True)
class Run:
    """A run's row."""

    id: int
    key: str
    name: str
    config: dict[str, Any]
    state: str
    fingerprint: str
    num_images: int
    permutation_digest: str
    version: int
    images: int


def create_run(
    conn: Connection, *, name: str, config: dict[str, Any], fingerprint: str, num_images: int, permutation_digest: str
) -> int:
    """Insert a run at version 0 and return its number."""
    row = execute(
        conn,
        "create_run",
        name=name,
        config=Jsonb(config),
        fingerprint=fingerprint,
        num_images=num_images,
        permutation_digest=permutation_digest,
        requires=".".join(version("ganns").split(".")[:2]),  # an older worker would compute something else
    ).fetchone()
    assert row is not None
    return int(row["id"])


def get_run(conn: Connection, run_id: int) -> Run:
    """Return a run's row.

    Raises:
        RunError: if there is no such run.
    """
    row = execute(conn, "get_run", run_id=run_id).fetchone()
    if row is None:
        raise RunError(f"There is no run {run_id} in this database; `ganns runs` lists the runs.")
    return Run(**row | {"key": str(row["key"])})


def find_run(conn: Connection, which: str) -> Run:
    """Return a run by its number, or for "latest" the newest open run, else the newest.

    Raises:
        RunError: if there is no such run, or `which` is neither.
    """
    if which == "latest":
        row = execute(conn, "latest_run").fetchone()
        if row is None:
            raise RunError("There is no run in this database yet; start one with `ganns train experiment=demo`.")
        return get_run(conn, row["id"])
    if not which.isdecimal():
        raise RunError(f"{which!r} is not a run: give its number (`ganns runs` lists them) or `latest`.")
    return get_run(conn, int(which))


def list_runs(conn: Connection) -> list[dict[str, Any]]:
    """Return every run with its state, whether a coordinator holds it, and its last metrics, newest first."""
    return execute(conn, "list_runs").fetchall()


def set_progress(conn: Connection, run_id: int, *, version: int, images: int) -> None:
    """Store the run's current version."""
    execute(conn, "set_progress", run_id=run_id, version=version, images=images)


def best_version(conn: Connection, run_id: int) -> int | None:
    """Return the best evaluated version; None if no version was evaluated."""
    row = execute(conn, "best_version", run_id=run_id).fetchone()
    return row["best_version"] if row else None


def set_state(conn: Connection, run_id: int, state: str) -> None:
    """Set the run's state: "open", "finished" or "diverged"."""
    execute(conn, "set_state", run_id=run_id, state=state)


def set_config(conn: Connection, run_id: int, config: dict[str, Any]) -> None:
    """Replace the run's configuration (a resumed run may stop later)."""
    execute(conn, "set_config", run_id=run_id, config=Jsonb(config))


def insert_metrics(
    conn: Connection,
    run_id: int,
    round_: int,
    *,
    images: int,
    seconds: float,
    metrics: dict[str, float],
    timings: dict[str, float],
) -> None:
    """Store a round's metrics, and its timings in seconds."""
    execute(
        conn,
        "insert_metrics",
        run_id=run_id,
        round=round_,
        images=images,
        seconds=seconds,
        metrics=Jsonb(metrics),
        timings=Jsonb(timings),
    )


def list_metrics(conn: Connection, run_id: int) -> list[dict[str, Any]]:
    """Return {round, images, seconds, metrics, timings} of every round in order."""
    return execute(conn, "list_metrics", run_id=run_id).fetchall()


def delete_run(conn: Connection, run_id: int) -> str:
    """Delete a run with its jobs, weights, results, checkpoints, metrics and credit; return its key.

    Part of the caller's transaction. A unit that is being computed is revoked; its worker cannot submit a result. Its
    job's row stays until the worker has ended the job, and is deleted a day later.

    Raises:
        RunError: if there is no such run.
        LeaseLost: if it has a coordinator.
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
