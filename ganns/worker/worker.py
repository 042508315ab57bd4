"""The hardened worker: `python -m ganns.worker`, which `ganns.worker.supervisor` starts (type `ganns worker`).

procrastinate's worker, with what a network of laptops does to it in mind (docs/explain/workers.md has the table):

- No failure of the database ends it. Side tasks are started again, endings of jobs are tried until they arrive.
- A notification is a hint and no more: any login can send any text, so the database is asked what is true.
- A heartbeat that arrives is reported to the supervisor; so is one that does not. It brings a registration back
  that was pruned while the lid was closed.
- Told to leave, it gives its jobs back at once and goes: they run elsewhere within a second.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from procrastinate import job_context, jobs
from procrastinate import worker as stock

from ganns.db.link import cut_suspects
from ganns.errors import DataError, DatasetMismatch, ProgramTooOld, Retry
from ganns.queue import machine
from ganns.queue.events import report
from ganns.utils.backoff import backoff_s
from ganns.worker.resilient_connector import ResilientConnector
from ganns.worker.resilient_manager import ResilientJobManager, brief, is_passing, jittered

log = logging.getLogger(__name__)

VIEW_S = 10.0
HAND_BACK_S = 3.0
LONGEST_PAUSE_S = 5.0
OUR_FAULT = (OSError, MemoryError, DataError, DatasetMismatch)
"""Errors that say more about this machine than about the task: a full disk, missing images."""


class Worker(stock.Worker):
    """procrastinate's worker that goes on."""

    def __init__(self, manager: ResilientJobManager, connector: ResilientConnector, **options: Any) -> None:
        """Take the options of procrastinate's worker; its signal handlers are ours."""
        super().__init__(**options | {"install_signal_handlers": False})
        self._manager = manager
        manager.on_trouble, connector.on_listening = self._trouble, self._hint
        self._name, self._info = machine.worker_name(), machine.describe()
        self._troubled = False
        self._beat_now, self._abort_now, self._view_now = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._hints = 0
        self._hold: str | None = None  # why no job is taken
        self._failures = 0  # in a row, and this machine's fault
        self._paused_until = 0.0
        self._poll_s = self.fetch_job_polling_interval

    # Taking jobs -----------------------------------------------------------------------------------------

    async def _fetch_and_process_jobs(self) -> None:
        """Take jobs until there are none, unless this program is too old, or its machine needs a pause."""
        self.fetch_job_polling_interval = self._poll_s * random.uniform(0.8, 1.0)  # not all in step
        while not self._stop_event.is_set():
            hints = self._hints
            # In trouble: until the next heartbeat has put right what was lost, nothing new is begun (it would be
            # taken for a job of which we do not know, and given back).
            if self._troubled or self._hold or time.monotonic() < self._paused_until:
                self._new_job_event.clear()
                return
            await super()._fetch_and_process_jobs()  # type: ignore[no-untyped-call]
            # The stock method forgets a notification that came while it was asking; then it asks again.
            if hints == self._hints:
                return

    async def _process_job(self, context: job_context.JobContext) -> None:
        job = context.job
        report({"event": "started", "job": job.id, "attempt": job.attempts, "task": job.task_name, "time_limit": None})
        # A heartbeat just before the kill: by the last one the rescue tells a time limit from a death.
        task = self.app.tasks.get(job.task_name)
        limit_s = getattr(getattr(task and task.func, "task", None), "time_limit", None)
        timer = asyncio.get_running_loop().call_later(0.95 * limit_s, self._beat_now.set) if limit_s else None
        try:
            await super()._process_job(context)
        finally:
            if timer is not None:
                timer.cancel()
            report({"event": "finished", "job": job.id})

    def _log_job_outcome(
        self,
        status: jobs.Status,
        context: job_context.JobContext,
        job_result: job_context.JobResult | None,
        job_retry: Any,
        exc_info: bool | BaseException = False,
    ) -> None:
        super()._log_job_outcome(status, context, job_result, job_retry, exc_info)
        if status is not jobs.Status.FAILED or not isinstance(exc_info, BaseException):
            self._failures = 0
            return
        if isinstance(exc_info, Retry) and exc_info.__cause__ is not None:
            exc_info = exc_info.__cause__  # handed back: why
        log.warning("job %s (%s): %s", context.job.id, context.job.task_name, brief(exc_info))
        if isinstance(exc_info, ProgramTooOld):
            self._hold = str(exc_info)
            self._view_now.set()
        if isinstance(exc_info, OUR_FAULT) or is_passing(exc_info):
            # Else a machine with a full disk takes, and fails, one unit after the other faster than others compute.
            pause_s = backoff_s(self._failures, 0.5, LONGEST_PAUSE_S)
            self._failures += 1
            self._paused_until = time.monotonic() + pause_s
            asyncio.get_running_loop().call_later(pause_s + 0.01, self._hint)

    # Background loops: heartbeat, LISTEN, aborts, status -----------------------------------------------------

    def _start_side_tasks(self) -> list[asyncio.Task[Any]]:
        wanted: dict[str, Callable[[], Awaitable[None]]] = {
            "heartbeat": self._update_heartbeat,
            "aborts": self._poll_jobs_to_abort,
            "view": self._keep_view,
        }
        if self.listen_notify:
            wanted["listener"] = self._listen
        # No periodic deferrer: in a class every worker would be one.
        return [asyncio.create_task(self._keep(name, one), name=name) for name, one in wanted.items()]

    async def _keep(self, name: str, side_task: Callable[[], Awaitable[None]]) -> None:
        """Start a side task again whenever it ends: stock workers stop, or go deaf, when one does."""
        attempt = 0
        while True:
            begun = time.monotonic()
            try:
                await side_task()
            except Exception as error:
                if not is_passing(error):
                    log.warning("%s: %s; starting it again", name, brief(error))
            attempt = 0 if time.monotonic() - begun > 30 else attempt + 1
            await asyncio.sleep(jittered(attempt))

    async def _listen(self) -> None:
        await self._manager.listen_for_jobs(on_notification=self._handle_notification, queues=self.queues)

    async def _handle_notification(self, *, channel: str, notification: Any) -> None:
        if notification.get("type") == "abort_job_requested":
            self._abort_now.set()
        else:
            self._hint()

    def _hint(self) -> None:
        self._hints += 1
        self._new_job_event.set()

    async def _update_heartbeat(self) -> None:
        attempt = 0
        while True:
            try:
                await self._beat()
                attempt = 0
                pause_s = self.update_heartbeat_interval * random.uniform(0.8, 1.0)
            except Exception as error:
                report({"event": "waiting", "reason": f"the database does not answer: {brief(error)}"})
                self._troubled = True
                pause_s = jittered(attempt)
                attempt += 1
            await _wait(self._beat_now, pause_s if not self._beat_now.is_set() else jittered(0))
            self._beat_now.clear()

    async def _beat(self) -> None:
        assert self.worker_id is not None
        # It also brings back our registration, which is deleted while the lid is closed.
        await self._manager.update_heartbeat(self.worker_id)
        if self._troubled:
            await self._recover()
        report({"event": "heartbeat", "worker": self.worker_id})

    async def _recover(self) -> None:
        """After an outage: nothing may wait for the server that was, and no job may be ours without our knowing."""
        assert self.worker_id is not None
        cut_suspects()
        await self._manager.introduce(self.worker_id, self._name, self._info)
        running = [context.job.id for context in self._running_jobs.values() if context.job.id]
        await self._manager.hand_back(self.worker_id, running)
        self._troubled = False
        self._hint()
        self._abort_now.set()

    def _trouble(self, error: BaseException) -> None:
        """Look at once whether the server is there and still knows us."""
        if not self._troubled:
            log.info("trouble with the database: %s", brief(error))
        # Failing is a sign of life, too: this loop asked, and saw that nobody answered in time.
        report({"event": "waiting", "reason": f"the database does not answer: {brief(error)}"})
        self._troubled = True
        self._beat_now.set()

    async def _poll_jobs_to_abort(self) -> None:
        while True:
            await _wait(self._abort_now, self.abort_job_polling_interval * random.uniform(0.8, 1.0))
            self._abort_now.clear()
            if self._running_jobs:
                self._handle_abort_jobs_requested(await self._manager.list_jobs_to_abort_async())

    async def _keep_view(self) -> None:
        while True:
            await self._look()
            await _wait(self._view_now, VIEW_S * random.uniform(0.8, 1.0))
            self._view_now.clear()

    async def _look(self) -> None:
        """Ask what to show, and whether this program is new enough for what is being trained."""
        view = await self._manager.view(self._name)
        mine, required = machine.program_version(), str(view["requires"])
        held, self._hold = self._hold, None
        if machine.is_older(mine, required):
            self._hold = (
                f"this is ganns {mine}, and the run needs {required}: `pip install 'ganns=={required}.*'` (or `git "
                "pull` in a checkout), then start the worker again. It takes no units until then."
            )
        elif held:
            self._hint()
        if self._hold and self._hold != held:
            report({"event": "status", "text": self._hold})
        report({"event": "view", **view, "hold": self._hold})

    # Beginning and end -----------------------------------------------------------------------------------

    async def _run_loop(self) -> None:
        assert self.worker_id is not None
        worker_id = self.worker_id
        introduce = self._manager.introduce
        await self._manager.until_done("registering", lambda: introduce(worker_id, self._name, self._info))
        report({"event": "registered", "worker": worker_id, "name": self._name, **self._info})
        await self._manager.until_done("looking for runs", self._look)
        await super()._run_loop()  # type: ignore[no-untyped-call]

    async def _shutdown(self, side_tasks: Iterable[asyncio.Task[Any]]) -> None:
        """Give back what we hold and say goodbye; whatever still computes on a thread ends with the process."""
        for task in side_tasks:
            task.cancel()
        worker_id, self.worker_id = self.worker_id, None
        if worker_id is None:
            return
        try:
            num = await asyncio.wait_for(self._manager.hand_back(worker_id, []), HAND_BACK_S)
            await asyncio.wait_for(self._manager.unregister_worker(worker_id), HAND_BACK_S)
        except Exception as error:  # then the heartbeat's end will tell, in 15 s
            log.warning("could not say goodbye: %s", brief(error))
        else:
            report({"event": "status", "text": f"left, {num} unit(s) handed back"})


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return
