"""Inspect: what runs, what waits, who is there. It asks the database, not the workers, so nobody has to answer."""

from __future__ import annotations

from typing import Any

from ganns.db.connect import Connection
from ganns.db.queries import execute
from ganns.queue.connection import using

PONG_S = 10.0
"""A worker beats every 3 s; one that missed three beats does not count as there."""


def active(connection: Connection | None = None) -> list[dict[str, Any]]:
    """Return the running jobs: job, task, queue, attempt, worker, name, revoked, running_s."""
    return execute(using(connection), "tasks_active").fetchall()


def queued(connection: Connection | None = None) -> list[dict[str, Any]]:
    """Return the waiting jobs by queue and task: queue, task, num, num_later, paused."""
    return execute(using(connection), "tasks_queued").fetchall()


def workers(connection: Connection | None = None) -> list[dict[str, Any]]:
    """Return the workers: worker, name, abilities, memory_mb, draining, silent_s, job."""
    return execute(using(connection), "tasks_workers").fetchall()


def stats(connection: Connection | None = None) -> list[dict[str, Any]]:
    """Return the jobs by task: task, queued, running, succeeded, failed, revoked, retries."""
    return execute(using(connection), "tasks_stats").fetchall()


def ping(connection: Connection | None = None) -> dict[int, bool]:
    """Return for each worker whether its heartbeat is recent."""
    return {row["worker"]: row["silent_s"] <= PONG_S for row in workers(connection)}
