"""The hardened worker: procrastinate's worker, prepared for what a network of laptops does to it.

`python -m ganns.worker` runs it; `ganns worker` starts that under a supervisor (docs/explain/workers.md has a table):

- No failure of the database ends it. It starts background loops again, and repeats the end of a job until it is stored.
- A notification is only a hint: any login can send any text, so the worker asks the database.
- It reports each heartbeat to the supervisor, stored or failed. A stored heartbeat also restores a registration that
  was removed while the laptop's lid was closed.
- A worker that is told to leave hands its jobs back at once, and they run elsewhere within a second. A result that is
  nearly uploaded is finished first.
- It computes the next unit while the result before it is uploaded (`ganns.worker.turn`).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import psycopg
from procrastinate import job_context, jobs
from procrastinate import worker as stock

from ganns.db.connect import cut_waiting
from ganns.errors import DataError, DatasetMismatch, DeviceError, ProgramTooOld, Retry
from ganns.queue import machine
from ganns.queue.connection import is_lost
from ganns.queue.events import report
from ganns.utils.backoff import backoff_s, out_of_step
from ganns.utils.installation import update_command
from ganns.worker.resilient_connector import ResilientConnector
from ganns.worker.resilient_manager import ResilientJobManager, brief, jittered, trouble
from ganns.worker.turn import Turn

log = logging.getLogger(__name__)

VIEW_S = 10.0
HAND_BACK_S = 3.0
LAST_UPLOAD_S = 3.0
"""The time that a result which is nearly uploaded gets when the worker leaves."""
LONGEST_PAUSE_S = 5.0
OUR_FAULT = (OSError, MemoryError, DataError, DatasetMismatch)
"""Errors of this machine rather than of the task: a full disk, missing images."""


class Worker(stock.Worker):
    """procrastinate's worker that survives failures of the database and of its own background loops."""

    def __init__(
        self, manager: ResilientJobManager, connector: ResilientConnector, *, has_runs: bool = True, **options: Any
    ) -> None:
        """Take the options of procrastinate's worker; the signal handlers are ours.

        `has_runs`: it computes for runs, and is not a worker of another app's tasks.
        """
        super().__init__(**options | {"install_signal_handlers": False})
        self._manager, self._has_runs = manager, has_runs
        manager.wake = self._wake
        self._turn = Turn(lambda: [one.job.id or 0 for one in self._running_jobs.values()])
        manager.on_trouble, connector.on_listening = self._on_trouble, self._wake
        self._name, self._info = machine.worker_name(), machine.describe()
        self._in_trouble = False  # the database failed, and no heartbeat was stored since then
        self._beat_now, self._abort_now, self._view_now = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._num_wakes = 0
        self._hold: str | None = None  # the reason why it takes no jobs
        self._failures = 0  # in a row, and this machine's fault
        self._paused_until = 0.0
        self._poll_s = self.fetch_job_polling_interval

    # Start and end ---------------------------------------------------------------------------------------

    async def _run_loop(self) -> None:
        """Introduce this worker, read the view once, then run jobs until it is told to stop."""
        assert self.worker_id is not None
        worker_id = self.worker_id
        introduce, loop = self._manager.introduce, asyncio.get_running_loop()
        self._manager.on_only_waits = lambda job_id: loop.call_soon_threadsafe(self._turn.only_waits, job_id)
        await self._manager.until_done("registering", lambda: introduce(worker_id, self._name, self._info))
        report({"event": "registered", "worker": worker_id, "name": self._name, "runs": self._has_runs, **self._info})
        if self._has_runs:
            await self._manager.until_done("looking for runs", self._update_view)
        await super()._run_loop()  # type: ignore[no-untyped-call]

    async def _shutdown(self, side_tasks: Iterable[asyncio.Task[Any]]) -> None:
        """Hand back all jobs and unregister; a computation on a thread ends with the process."""
        for task in side_tasks:
            task.cancel()
        worker_id, self.worker_id = self.worker_id, None
        if worker_id is None:
            return
        try:
            nearly = self._turn.waiting()  # to compute it again elsewhere would take longer than to finish it
            num = await asyncio.wait_for(self._manager.hand_back(worker_id, list(nearly)), HAND_BACK_S)
            if nearly:
                ends = [task for task, context in self._running_jobs.items() if context.job.id in nearly]
                await asyncio.wait(ends, timeout=LAST_UPLOAD_S)
                num += await asyncio.wait_for(self._manager.hand_back(worker_id, []), HAND_BACK_S)
            await asyncio.wait_for(self._manager.unregister_worker(worker_id), HAND_BACK_S)
        except Exception as error:  # after 15 s without a heartbeat, the rescue hands the jobs on
            log.warning("could not hand back and unregister: %s", brief(error))
        else:
            report({"event": "status", "text": f"left, {num} {'unit' if self._has_runs else 'task'}(s) handed back"})

    # Jobs ------------------------------------------------------------------------------------------------

    async def _fetch_and_process_jobs(self) -> None:
        """Take jobs until there are none, unless this program is too old or this machine needs a pause."""
        self.fetch_job_polling_interval = out_of_step(self._poll_s)  # workers must not poll in step
        while not self._stop_event.is_set():
            num_wakes = self._num_wakes
            # In trouble, take no job before the next heartbeat has repaired the state: it hands back every job that
            # this process does not run, and would take a new one for lost.
            if self._in_trouble or self._hold or time.monotonic() < self._paused_until:
                self._new_job_event.clear()
                return
            await super()._fetch_and_process_jobs()  # type: ignore[no-untyped-call]
            # The stock method loses a notification that comes during its query. Then ask again.
            if num_wakes == self._num_wakes:
                return

    async def _process_job(self, context: job_context.JobContext) -> None:
        job = context.job
        report({"event": "started", "job": job.id, "attempt": job.attempts, "task": job.task_name, "time_limit": None})
        # Send a heartbeat just before the kill: by the last one the rescue tells a time limit from a death.
        task = self.app.tasks.get(job.task_name)
        limit_s = getattr(getattr(task and task.func, "task", None), "time_limit", None)
        timer = asyncio.get_running_loop().call_later(0.95 * limit_s, self._beat_now.set) if limit_s else None
        try:
            await super()._process_job(context)
        except Exception as error:  # on the way to the record: the job must not stay `doing`
            await self._manager.record_failure(job, error)
        finally:
            if timer is not None:
                timer.cancel()
            if job.id in self._turn.waiting():
                self._wake()  # the worker may have asked in vain while it held this one
            report({"event": "finished", "job": job.id})

    def _log_job_outcome(
        self,
        status: jobs.Status,
        context: job_context.JobContext,
        job_result: job_context.JobResult | None,
        job_retry: Any,
        exc_info: bool | BaseException = False,
    ) -> None:
        """Log a failed job. If it was this machine's fault, take no jobs for a while."""
        super()._log_job_outcome(status, context, job_result, job_retry, exc_info)
        if status is not jobs.Status.FAILED or not isinstance(exc_info, BaseException):
            self._failures = 0
            return
        if isinstance(exc_info, Retry) and exc_info.__cause__ is not None:
            exc_info = exc_info.__cause__  # the reason why the task handed the job back
        log.warning("job %s (%s): %s", context.job.id, context.job.task_name, brief(exc_info))
        if isinstance(exc_info, ProgramTooOld):
            self._hold = str(exc_info)
            self._view_now.set()
        if isinstance(exc_info, DeviceError):
            # A new process may be able to use the device; if not, it says so instead of joining.
            report({"event": "status", "text": f"{exc_info} Starting a new process"})
            self.stop()  # type: ignore[no-untyped-call]
        if isinstance(exc_info, OUR_FAULT) or is_lost(exc_info):
            # Without a pause, a machine with a full disk fails units faster than other machines compute them.
            pause_s = backoff_s(self._failures, 0.5, LONGEST_PAUSE_S)
            self._failures += 1
            self._paused_until = time.monotonic() + pause_s
            asyncio.get_running_loop().call_later(pause_s + 0.01, self._wake)

    # Background loops: heartbeat, aborts, view, LISTEN ---------------------------------------------------

    def _start_side_tasks(self) -> list[asyncio.Task[Any]]:
        self._job_semaphore = self._turn  # type: ignore[assignment]  # the stock loop has just made a semaphore
        loops: dict[str, Callable[[], Awaitable[None]]] = {
            "heartbeat": self._update_heartbeat,
            "aborts": self._poll_jobs_to_abort,
        }
        if self._has_runs:
            loops["view"] = self._keep_view
        if self.listen_notify:
            loops["listener"] = self._listen
        # No periodic deferrer: in a class every worker would be one.
        return [asyncio.create_task(self._keep(name, one), name=name) for name, one in loops.items()]

    async def _keep(self, name: str, loop: Callable[[], Awaitable[None]]) -> None:
        """Start a background loop again whenever it ends: then a stock worker stops, or hears no notification."""
        attempt = 0
        while True:
            begun = time.monotonic()
            try:
                await loop()
            except Exception as error:
                if not is_lost(error):
                    log.warning("%s: %s; starting it again", name, brief(error))
            attempt = 0 if time.monotonic() - begun > 30 else attempt + 1
            await asyncio.sleep(jittered(attempt))

    async def _update_heartbeat(self) -> None:
        attempt = 0
        while True:
            try:
                await self._beat()
                attempt = 0
                pause_s = out_of_step(self.update_heartbeat_interval)
            except ProgramTooOld as error:  # the database was updated while it was away; a new process may be newer
                report({"event": "status", "text": str(error)})
                self.stop()  # type: ignore[no-untyped-call]
                return
            except Exception as error:
                if isinstance(error.__cause__ or error, psycopg.errors.InsufficientPrivilege):
                    # A student's worker that was silent for a day is forgotten: a new process registers again.
                    report({"event": "status", "text": f"starting anew, since {brief(error)}"})
                    self.stop()  # type: ignore[no-untyped-call]
                    return
                report({"event": "waiting", "reason": trouble(error)})
                self._in_trouble = True
                pause_s = jittered(attempt)
                attempt += 1
            await _wait(self._beat_now, pause_s if not self._beat_now.is_set() else jittered(0))
            self._beat_now.clear()

    async def _beat(self) -> None:
        assert self.worker_id is not None
        await self._manager.update_heartbeat(self.worker_id)
        if self._in_trouble:
            await self._recover()
        vacant = self._manager.rescue_is_vacant
        report({"event": "heartbeat", "worker": self.worker_id, "rescue_is_vacant": vacant})

    async def _recover(self) -> None:
        """After an outage: cut connections that still wait for the old server, and hand back jobs not running here."""
        assert self.worker_id is not None
        cut_waiting()
        await self._manager.introduce(self.worker_id, self._name, machine.describe())
        running = [context.job.id for context in self._running_jobs.values() if context.job.id]
        await self._manager.hand_back(self.worker_id, running)
        self._in_trouble = False
        self._wake()
        self._abort_now.set()

    def _on_trouble(self, error: BaseException) -> None:
        """Send a heartbeat at once, to find out if the server is there and still knows this worker."""
        if not self._in_trouble:
            log.info("trouble with the database: %s", brief(error))
        # A failure is a sign of life too: this loop asked, and noticed that no answer came in time.
        report({"event": "waiting", "reason": trouble(error)})
        self._in_trouble = True
        self._beat_now.set()

    async def _poll_jobs_to_abort(self) -> None:
        while True:
            await _wait(self._abort_now, out_of_step(self.abort_job_polling_interval))
            self._abort_now.clear()
            if self._running_jobs:
                self._handle_abort_jobs_requested(await self._manager.list_jobs_to_abort_async())

    async def _keep_view(self) -> None:
        while True:
            await self._update_view()
            await _wait(self._view_now, out_of_step(VIEW_S))
            self._view_now.clear()

    async def _update_view(self) -> None:
        """Read the data that the terminal shows, and check that this program is new enough for the open runs."""
        view = await self._manager.view(self._name)
        mine, required = machine.program_version(), str(view["requires"])
        held, self._hold = self._hold, None
        if machine.is_older(mine, required):
            self._hold = (
                f"this is ganns {mine}, and the run needs {required}: type `{update_command(required)}`, then "
                "start the worker again. It takes no units until then."
            )
        elif held:
            self._wake()
        if self._hold and self._hold != held:
            report({"event": "status", "text": self._hold})
        report({"event": "view", **view, "hold": self._hold})

    async def _listen(self) -> None:
        await self._manager.listen_for_jobs(on_notification=self._handle_notification, queues=self.queues)

    async def _handle_notification(self, *, channel: str, notification: Any) -> None:
        if notification.get("type") == "abort_job_requested":
            self._abort_now.set()
        else:
            self._wake()

    def _wake(self) -> None:
        """Let the worker ask for jobs now."""
        self._num_wakes += 1
        self._new_job_event.set()


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return
