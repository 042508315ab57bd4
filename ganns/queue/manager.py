"""The job manager, between procrastinate's worker and the database: procrastinate's calls with our statements.

procrastinate's worker fetches a job, runs it, and then finishes it or queues it again. Our statements need no extra
round trip: a fetch also checks rate limits, pauses and abilities; a finish also stores the result and starts the jobs
that follow, in one transaction. The app contains this manager, so the stock `procrastinate worker` uses it too.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import procrastinate
import psycopg
import psycopg_pool
from procrastinate import connector as connectors
from procrastinate import exceptions, jobs, manager

from ganns.db.queries import query
from ganns.queue.events import report
from ganns.queue.machine import abilities, memory_mb, worker_name
from ganns.queue.options import RetryPolicy

log = logging.getLogger(__name__)

PERSIST_S = 120.0
"""How long to try to store a result while the server is away; after that the rescue gets the job."""
PERSIST_PAUSES = RetryPolicy(backoff_s=0.2)
KEEP_S = 86400.0
"""Keep results for a day, as Celery does."""


@dataclass
class Outcome:
    """The end of an attempt: the runner stores it in `JobManager.outcomes` for the worker's next call."""

    state: str | None  # SUCCESS, FAILURE, REVOKED, RETRY; None for a task without our decorator
    value: str | None = None  # JSON
    data: bytes | None = None
    error: str | None = None
    traceback: str | None = None
    keep: bool = False
    delay_s: float = 0.0
    counts: bool = True  # as a retry; False after Ctrl-C


_BY_STATUS = {jobs.Status.SUCCEEDED: "SUCCESS", jobs.Status.FAILED: "FAILURE", jobs.Status.ABORTED: "REVOKED"}


class JobManager(manager.JobManager):
    """procrastinate's job manager with our statements."""

    def __init__(self, connector: connectors.BaseConnector, app: procrastinate.App) -> None:
        """Keep the app; nothing is connected yet."""
        super().__init__(connector)
        self._app = app
        self.outcomes: dict[int, Outcome] = {}
        self.retries: dict[int, int] = {}
        self._worker_id: int | None = None
        self._on_notification: Any = None

    async def register_worker(self) -> int:
        """Register this worker with its abilities and its tasks."""
        self._worker_id = worker_id = await super().register_worker()
        await self.connector.execute_query_async(
            query("tasks_register"),
            worker_id=worker_id,
            name=worker_name(),
            abilities=abilities(),
            memory_mb=memory_mb(),
            tasks=list(self._app.tasks),
            rules=json.dumps(self._rules()),
        )
        return worker_id

    def _rules(self) -> list[dict[str, Any]]:
        """Return the tasks' options that the database needs (see `ganns.task_rules`)."""
        options = [getattr(task.func, "task", None) for task in self._app.tasks.values()]
        return [rule for one in options if one is not None and (rule := one.rule())]

    async def update_heartbeat(self, worker_id: int) -> None:
        """Send a heartbeat. It also restores a registration that was removed while the laptop's lid was closed."""
        await self.connector.execute_query_async(query("tasks_beat"), worker_id=worker_id)

    async def fetch_job(self, queues: Iterable[str] | None, worker_id: int) -> jobs.Job | None:
        """Take the next job that this worker may run and is able to run."""
        row = await self.connector.execute_query_one_async(query("tasks_fetch"), queues=queues, worker_id=worker_id)
        if row["id"] is None:
            if row["wait_s"] is not None:
                await self._fetch_later(row["wait_s"])
            return None
        self.retries[row["id"]] = row["retries"]
        return jobs.Job.from_row(row)

    async def _fetch_later(self, wait_s: float) -> None:
        """Wake the worker when a rate limit may allow the next job: no notification does."""
        pause_s = min(wait_s, 1.0) * random.uniform(1.0, 1.2) + 0.001
        if self._on_notification is None:
            await asyncio.sleep(pause_s)  # this worker polls: a short sleep here saves a whole interval
            return
        wake = {"type": "job_inserted", "job_id": 0}
        loop = asyncio.get_running_loop()
        loop.call_later(
            pause_s, lambda: loop.create_task(self._on_notification(channel="rate limit", notification=wake))
        )

    async def finish_job(self, job: jobs.Job, status: jobs.Status, delete_job: bool) -> None:
        """End a job with its result, and start the jobs that follow it."""
        assert job.id is not None
        outcome = self.outcomes.pop(job.id, None) or Outcome(_BY_STATUS.get(status))
        try:
            done = await self._finish(job, status, delete_job, outcome)
        except exceptions.ConnectorException as error:
            # The server would refuse it again each time, and the job of a live worker would stay `doing` for ever.
            if outcome.state != "SUCCESS":
                raise
            text = " ".join(f"ResultRefused: {error.__cause__ or error}".split())[:1000]
            log.error("the result of job %s cannot be stored: %s", job.id, text)
            failure = Outcome("FAILURE", error=text, traceback=text, keep=True)
            done = await self._finish(job, jobs.Status.FAILED, delete_job, failure)
        self._forget(job, done["finished"])

    async def _finish(self, job: jobs.Job, status: jobs.Status, delete_job: bool, outcome: Outcome) -> dict[str, Any]:
        return await self._persist(
            "tasks_finish",
            job_id=job.id,
            attempt=job.attempts,
            status=status.value,
            delete=delete_job,
            state=outcome.state,
            value=outcome.value,
            data=outcome.data,
            error=outcome.error,
            traceback=outcome.traceback,
            keep=outcome.keep,
            keep_s=KEEP_S,
        )

    async def retry_job(
        self,
        job: jobs.Job,
        retry_at: datetime | None = None,
        priority: int | None = None,
        queue: str | None = None,
        lock: str | None = None,
    ) -> None:
        """Queue a job again: ours after a delay by the server's clock, procrastinate's at a given time."""
        assert job.id is not None
        outcome = self.outcomes.pop(job.id, None)
        done = await self._persist(
            "tasks_retry",
            job_id=job.id,
            attempt=job.attempts,
            delay_s=outcome.delay_s if outcome else 0.0,
            at=None if outcome else retry_at,
            counts=outcome is not None and outcome.counts,
            traceback=outcome.traceback if outcome else None,
            priority=priority,
            queue=queue,
            lock=lock,
        )
        self._forget(job, done["retried"])

    def _forget(self, job: jobs.Job, held: bool) -> None:
        assert job.id is not None
        self.retries.pop(job.id, None)
        report({"event": "finished", "job": job.id})
        if not held:
            log.info("job %s, attempt %s: another worker has it now; its end was not recorded", job.id, job.attempts)

    async def _persist(self, name: str, **parameters: Any) -> dict[str, Any]:
        """Run a statement, and repeat it while the server is away: a restart takes seconds.

        A repetition does no harm: the statement changes a job only if it is still in the same attempt.
        """
        until, retries = time.monotonic() + PERSIST_S, 0
        while True:
            try:
                return await self.connector.execute_query_one_async(query(name), **parameters)
            except (exceptions.ConnectorException, psycopg.Error, OSError) as error:
                lost = (psycopg.OperationalError, psycopg.InterfaceError, psycopg_pool.PoolTimeout, OSError)
                if time.monotonic() > until or not isinstance(error.__cause__ or error, lost):
                    raise
                log.warning("cannot record the end of job %s, trying again: %s", parameters["job_id"], error)
            await asyncio.sleep(PERSIST_PAUSES.delay_s(retries))
            retries += 1

    async def listen_for_jobs(self, *, on_notification: Any, queues: Iterable[str] | None = None) -> None:
        """Listen. Any login can send a payload, and it is only a hint: ignore one that cannot be read."""

        async def handle(channel: str, payload: str) -> None:
            try:
                notification = json.loads(payload)
                kind, job_id = notification["type"], int(notification["job_id"])
            except (ValueError, TypeError, KeyError, RecursionError):
                log.debug("ignored a notification that cannot be read: %.100r", payload)
                return
            await on_notification(channel=channel, notification={"type": kind, "job_id": job_id})
            if kind == "abort_job_requested" and job_id in self.retries:
                await self.list_jobs_to_abort_async()

        self._on_notification = on_notification
        try:
            await self.connector.listen_notify(
                on_notification=handle, channels=manager.get_channel_for_queues(queues=queues)
            )
        finally:
            self._on_notification = None

    async def list_jobs_to_abort_async(self, queue: str | None = None) -> list[int]:
        """Return this worker's revoked jobs. For one with `terminate`, ask the supervisor to kill this process."""
        if self._worker_id is None:
            return []
        rows = await self.connector.execute_query_all_async(query("tasks_aborts"), worker_id=self._worker_id)
        for row in rows:
            if row["terminate"] and row["id"] in self.retries:
                report({"event": "terminate", "job": row["id"]})
        return [row["id"] for row in rows]
