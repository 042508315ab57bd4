"""Control the queue: list jobs and workers, revoke jobs, pause queues, drain workers.

Every function asks or changes the database, so no worker has to answer. A worker obeys when it next reads its rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ganns.db.connect import Connection
from ganns.queue.connection import run

PONG_S = 10.0
"""The longest silence of a worker that still counts as there: it sends a heartbeat every 3 s, so three are missing."""


def active(connection: Connection | None = None) -> list[dict[str, Any]]:
    """Return the running jobs: job, task, queue, attempt, worker, name, revoked, running_s."""
    return run(connection, "tasks_active").fetchall()


def queued(connection: Connection | None = None) -> list[dict[str, Any]]:
    """Return the waiting jobs by queue and task: queue, task, num, num_later, paused."""
    return run(connection, "tasks_queued").fetchall()


def workers(connection: Connection | None = None) -> list[dict[str, Any]]:
    """Return the workers: worker, name, abilities, memory_mb, draining, silent_s, job."""
    return run(connection, "tasks_workers").fetchall()


def stats(connection: Connection | None = None) -> list[dict[str, Any]]:
    """Return the jobs by task: task, queued, running, succeeded, failed, revoked, retries."""
    return run(connection, "tasks_stats").fetchall()


def ping(connection: Connection | None = None) -> dict[int, bool]:
    """Return for each worker whether its heartbeat is recent."""
    return {row["worker"]: row["silent_s"] is not None and row["silent_s"] <= PONG_S for row in workers(connection)}


def revoke(job_ids: Sequence[int], *, terminate: bool = False, connection: Connection | None = None) -> int:
    """Cancel jobs in one statement; return the number of those that had not ended yet.

    Celery's workers keep revoked jobs in memory. Here "revoked" is a state of the job, so it survives a restart.

    Args:
        job_ids: queued ones will not run; running ones are asked to stop (`Context.should_abort`).
        terminate: let the supervisors kill the processes of running ones, because a thread cannot be killed.
        connection: the connection, and so the transaction, to use.
    """
    row = run(connection, "tasks_revoke", job_ids=list(job_ids), terminate=terminate).fetchone()
    return int(row["num_revoked"]) if row else 0


def retry(job_ids: Sequence[int], *, connection: Connection | None = None) -> dict[int, str | None]:
    """Queue jobs again that failed or were revoked, with all their retries; their results are deleted.

    Returns:
        For each job, None if it is queued, or the reason why it stays as it is.
    """
    rows = run(connection, "tasks_run_again", job_ids=list(job_ids)).fetchall()
    return {row["job_id"]: row["why_not"] for row in rows}


def pause(queue: str, *, connection: Connection | None = None) -> None:
    """Let no worker take jobs from a queue; running jobs go on."""
    run(connection, "tasks_pause", queue=queue)


def resume(queue: str, *, connection: Connection | None = None) -> None:
    """Open a paused queue again, and wake the workers."""
    run(connection, "tasks_resume", queue=queue)
    wake(queue, connection=connection)


def wake(queue: str, *, connection: Connection | None = None) -> None:
    """Wake the waiting workers of a queue, so that they look for jobs now."""
    run(connection, "tasks_wake_queue", queue=queue)


def revoke_unlocked(job_ids: Sequence[int], *, connection: Connection | None = None) -> int:
    """Revoke jobs as `revoke` does, but wait for none: return the number of those that a transaction has locked."""
    row = run(connection, "tasks_revoke_unlocked", job_ids=list(job_ids)).fetchone()
    return int(row["num_locked"]) if row else 0


def drain(worker: int | str, *, draining: bool = True, connection: Connection | None = None) -> list[int]:
    """Let a worker finish its jobs and take no new ones.

    Args:
        worker: its number or its name.
        draining: False lets the worker take jobs again.
        connection: the connection, and so the transaction, to use.

    Returns:
        The numbers of the workers: several may have the same name.
    """
    rows = run(connection, "tasks_drain", worker=str(worker), draining=draining).fetchall()
    return [row["worker_id"] for row in rows]
