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
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import psycopg
from procrastinate import connector as connectors
from procrastinate import exceptions, jobs, manager

from ganns.db.queries import query
from ganns.queue.connection import is_lost
from ganns.queue.events import report
from ganns.queue.machine import abilities, memory_mb, worker_name
from ganns.queue.options import RetryPolicy
from ganns.queue.preparation import Preparer
from ganns.queue.texts import line_of

log = logging.getLogger(__name__)

PERSIST_S = 120.0
"""The longest time to try to store a result while the server is away.

After that the next heartbeat queues the job again.
"""
PERSIST_PAUSES = RetryPolicy(backoff_s=0.2)


class Expiring(Protocol):
    """The parts of an app that the job manager uses."""

    result_expires: float
    tasks: dict[str, Any]


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

    def __init__(self, connector: connectors.BaseConnector, app: Expiring) -> None:
        """Keep the app; nothing is connected yet."""
        super().__init__(connector)
        self._app = app
        self.outcomes: dict[int, Outcome] = {}
        self.retries: dict[int, int] = {}
        self._worker_id: int | None = None
        self.wake: Callable[[], object] | None = None  # lets the worker ask for jobs
        # A job's thread says that the job only waits; a stock worker takes no other job all the same.
        self.on_only_waits: Callable[[int], object] = lambda job_id: None
        self._timer: asyncio.TimerHandle | None = None
        self.rescue_is_vacant = False
        self._preparer = Preparer(self._rows)
        self._preparer.on_ready = self._on_ready

    async def _rows(self, statement: str, **parameters: Any) -> list[dict[str, Any]]:
        return await self.connector.execute_query_all_async(statement, **parameters)

    def _on_ready(self) -> None:
        if self.wake is not None:
            self.wake()

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
            prepares=json.dumps(self._preparer.rules(self._app.tasks)),
        )
        return worker_id

    def _rules(self) -> list[dict[str, Any]]:
        """Return the tasks' options that the database needs (see `ganns.task_rules`)."""
        options = [getattr(task.func, "task", None) for task in self._app.tasks.values()]
        return [rule for one in options if one is not None and (rule := one.rule())]

    async def update_heartbeat(self, worker_id: int) -> None:
        """Send a heartbeat. It also restores a registration that was removed while the laptop's lid was closed.

        It names the jobs that this worker has. The database queues this worker's other jobs again: the answer to their
        fetch was lost, or their end could not be recorded.
        """
        row = await self.connector.execute_query_one_async(
            query("tasks_beat"), worker_id=worker_id, held=list(self.retries)
        )
        self.rescue_is_vacant = row["rescue_is_vacant"]

    async def fetch_job(self, queues: Iterable[str] | None, worker_id: int) -> jobs.Job | None:
        """Take the next job that this worker may run and is able to run."""
        row = await self.connector.execute_query_one_async(query("tasks_fetch"), queues=queues, worker_id=worker_id)
        await self._preparer.look(worker_id, list(queues) if queues else None)
        if row["id"] is None:
            if row["wait_s"] is not None:
                await self._fetch_later(row["wait_s"])
            if self._preparer.running is not None and self.wake is None:
                await asyncio.wait({self._preparer.running}, timeout=1.0)  # as in `_fetch_later`
            return None
        self.retries[row["id"]] = row["retries"]
        try:
            arguments = json.loads(row["args"])
        except (ValueError, RecursionError) as error:  # a number of 5,000 digits, lists in lists in lists
            job = jobs.Job.from_row(row | {"args": {}})
            self.outcomes[row["id"]] = Outcome("FAILURE", error=f"BadArguments: {line_of(error)}", keep=True)
            await self.finish_job(job, jobs.Status.FAILED, delete_job=False)
            return None
        return jobs.Job.from_row(row | {"args": arguments})

    async def _fetch_later(self, wait_s: float) -> None:
        """Wake the worker when a rate limit may allow the next job, or when a job is due: no notification does."""
        pause_s = wait_s + random.uniform(0.0, min(0.2 * wait_s, 0.1)) + 0.001
        if self.wake is None:
            await asyncio.sleep(min(pause_s, 1.0))  # a stock worker that polls, or that ends when no job is left
            return
        loop = asyncio.get_running_loop()
        if self._timer is not None and loop.time() < self._timer.when() <= loop.time() + pause_s:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_later(pause_s, self.wake)

    async def finish_job(self, job: jobs.Job, status: jobs.Status, delete_job: bool) -> None:
        """End a job with its result, and start the jobs that follow it."""
        assert job.id is not None
        outcome = self.outcomes.pop(job.id, None) or Outcome(_BY_STATUS.get(status))
        await self._record(job, "finished", lambda: self._finish(job, status, delete_job, outcome))

    async def _record(self, job: jobs.Job, key: str, statement: Callable[[], Awaitable[dict[str, Any]]]) -> None:
        """Record the end of an attempt; if the database or psycopg refuses it, record a failure instead.

        The job of a live worker is never rescued. Without a record it would stay `doing`, and its chord or its round
        would wait for ever.
        """
        held = True
        try:
            held = bool((await statement())[key])
        except Exception as error:
            if is_lost(error):
                raise
            await self.record_failure(job, error)
        finally:
            self._forget(job, held)

    async def record_failure(self, job: jobs.Job, error: Exception) -> None:
        """Record that an attempt failed because its end could not be recorded, in plain letters, or else without any.

        It does nothing if the attempt has ended.
        """
        cause = (error.__cause__ or error) if isinstance(error, exceptions.ConnectorException) else error
        text = " ".join(f"ResultRefused: {line_of(cause)}".encode("ascii", "backslashreplace").decode().split())[:1000]
        log.error("the end of job %s cannot be recorded: %s", job.id, text)
        failure = Outcome("FAILURE", error=text, traceback=text, keep=True)
        try:
            await self._finish(job, jobs.Status.FAILED, False, failure)
        except Exception as again:
            if is_lost(again):
                raise
            log.error("job %s: its failure cannot be recorded either: %s", job.id, line_of(again))
            # The job alone: the rescue notices a group's member that ended without a result.
            await super().finish_job(job, jobs.Status.FAILED, delete_job=False)

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
            keep_s=self._app.result_expires,
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
        await self._record(
            job,
            "retried",
            lambda: self._persist(
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
            ),
        )

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
                if time.monotonic() > until or not is_lost(error):
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
            except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
                log.debug("ignored a notification that cannot be read: %.100r", payload)
                return
            await on_notification(channel=channel, notification={"type": kind, "job_id": job_id})
            if kind == "abort_job_requested" and job_id in self.retries:
                await self.list_jobs_to_abort_async()

        loop = asyncio.get_running_loop()
        wake: jobs.Notification = {"type": "job_inserted", "job_id": 0}
        if own := self.wake is None:
            self.wake = lambda: loop.create_task(on_notification(channel="a clock", notification=wake))
        try:
            await self.connector.listen_notify(
                on_notification=handle, channels=manager.get_channel_for_queues(queues=queues)
            )
        finally:
            if own:
                self.wake = None

    async def list_jobs_to_abort_async(self, queue: str | None = None) -> list[int]:
        """Return this worker's revoked jobs. For one with `terminate`, ask the supervisor to kill this process."""
        if self._worker_id is None:
            return []
        rows = await self.connector.execute_query_all_async(query("tasks_aborts"), worker_id=self._worker_id)
        for row in rows:
            if row["terminate"] and row["id"] in self.retries:
                report({"event": "terminate", "job": row["id"]})
        return [row["id"] for row in rows]
