"""The hardened worker: `python -m tasks.worker`, which `tasks.supervisor` starts (type `ganns worker`).

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
import sys
import time
from collections.abc import Iterable
from typing import Any

from procrastinate import job_context, jobs

from ganns.errors import DataError, DatasetMismatch, ProgramTooOld, Retry
from tasks.patience import Patience, brief, is_passing
from tasks.reporting import report
from tasks.sidetasks import Attentive
from tasks.wire import Wire

log = logging.getLogger(__name__)

HAND_BACK_S = 3.0
LONGEST_PAUSE_S = 5.0
OUR_FAULT = (OSError, MemoryError, DataError, DatasetMismatch)
"""Errors that say more about this machine than about the task: a full disk, missing images."""


class Worker(Attentive):
    """procrastinate's worker that goes on."""

    def __init__(self, manager: Patience, wire: Wire, **options: Any) -> None:
        """Take the options of procrastinate's worker."""
        super().__init__(manager, wire, **options)
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
            pause_s = min(LONGEST_PAUSE_S, 0.5 * 2.0 ** min(self._failures, 10)) * random.uniform(0.5, 1.0)
            self._failures += 1
            self._paused_until = time.monotonic() + pause_s
            asyncio.get_running_loop().call_later(pause_s + 0.01, self._hint)

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


if __name__ == "__main__":
    from tasks.start import main

    sys.exit(main())
