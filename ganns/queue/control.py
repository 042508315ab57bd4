"""Control: revoke jobs, pause queues, drain workers. It takes effect at a worker's next look into the database."""

from __future__ import annotations

from collections.abc import Sequence

from ganns.db.connect import Connection
from ganns.db.queries import execute
from ganns.queue.connection import using


def revoke(job_ids: Sequence[int], *, terminate: bool = False, connection: Connection | None = None) -> int:
    """Cancel jobs in one statement; return how many had not ended yet.

    It is a state of the jobs, not a list in the workers' memory as in Celery: what was revoked stays revoked
    after a restart.

    Args:
        job_ids: queued ones will not run; running ones are asked to stop (`Context.should_abort`).
        terminate: kill the processes of the running ones (by their supervisor: a thread cannot be killed).
        connection: in whose transaction.
    """
    row = execute(using(connection), "tasks_revoke", job_ids=list(job_ids), terminate=terminate).fetchone()
    return int(row["num_revoked"]) if row else 0


def pause(queue: str, *, connection: Connection | None = None) -> None:
    """Let no worker take jobs from a queue; running ones end."""
    execute(using(connection), "tasks_pause", queue=queue)


def resume(queue: str, *, connection: Connection | None = None) -> None:
    """Open a paused queue again, and wake the workers."""
    conn = using(connection)
    execute(conn, "tasks_resume", queue=queue)
    execute(conn, "tasks_wake_queue", queue=queue)


def drain(worker: int | str, *, draining: bool = True, connection: Connection | None = None) -> list[int]:
    """Let a worker take nothing new (or, with `draining=False`, take jobs again).

    Args:
        worker: its number or its name.
        draining: whether it drains.
        connection: in whose transaction.

    Returns:
        The workers' numbers: several may have one name.
    """
    rows = execute(using(connection), "tasks_drain", worker=str(worker), draining=draining).fetchall()
    return [row["worker_id"] for row in rows]
