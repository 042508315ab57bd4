"""Run one attempt of a task: call the function, and keep its outcome for the worker to record.

The outcome is not written here. procrastinate's worker makes one more call to end the job, and that call stores the
result too (`ganns.queue.manager`), in the same statement and the same transaction.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn

from procrastinate import JobContext, RetryDecision
from procrastinate.exceptions import JobAborted
from procrastinate.job_context import AbortReason
from procrastinate.jobs import Job
from procrastinate.retry import BaseRetryStrategy

from ganns.db.address import require
from ganns.db.connect import connect
from ganns.db.queries import execute
from ganns.errors import BadArguments, Retry, SoftTimeLimitExceeded, TaskFailed
from ganns.queue.app import App
from ganns.queue.arguments import to_json, unpack
from ganns.queue.events import report
from ganns.queue.manager import JobManager, Outcome
from ganns.queue.options import TaskOptions, seconds
from ganns.queue.texts import line_of, traceback_of
from ganns.queue.values import from_plain
from ganns.queue.waiting import no_waiting

RESULT_BYTES = 200_000_000
"""The largest result: PostgreSQL refuses larger values, and a worker would try to store one again and again."""


@dataclass(frozen=True)
class Context:
    """The first argument of a bound task: Celery's `self` and `self.request` in one."""

    task: TaskOptions
    job_id: int
    attempt: int
    retries: int
    worker_id: int | None
    job_context: JobContext
    on_only_waits: Callable[[int], object] = lambda job_id: None

    def should_abort(self) -> bool:
        """Return True if the task was revoked or the worker leaves: then raise `aborted()` soon."""
        return self.job_context.should_abort()

    def only_waits(self) -> None:
        """Say that the rest of this attempt computes nothing, as an upload: `ganns worker` takes one more job now."""
        self.on_only_waits(self.job_id)

    def aborted(self) -> JobAborted:
        """Return the error to raise: it means REVOKED after a revoke, and another worker's turn after Ctrl-C."""
        return JobAborted()

    def retry(
        self,
        *,
        exc: BaseException | None = None,
        countdown: float | None = None,
        message: str = "asked to be tried again",
    ) -> NoReturn:
        """End this attempt; the task is tried again.

        Args:
            exc: the reason; the task's failure when no retry is left.
            countdown: seconds until the next attempt; the backoff's delay by default.
            message: the reason, in words.

        Raises:
            Retry: always.
            BadArguments: if `countdown` is no time.
        """
        delay_s = None if countdown is None else seconds(countdown, "countdown")
        raise Retry(message if exc is None else line_of(exc), delay_s, error=exc) from exc

    def hand_back(self, error: BaseException) -> NoReturn:
        """Give the task to another worker soon: `error` is this machine's fault, so it does not count as a retry."""
        delay_s = self.task.policy.delay_s(self.attempt)
        raise Retry(line_of(error), delay_s, counts=False) from error


def run(task: TaskOptions, manager: JobManager, context: JobContext, arguments: dict[str, Any]) -> None:
    """Run one attempt. Raises the task's error again, for procrastinate's own records."""
    job = context.job
    assert job.id is not None
    retries = manager.retries.get(job.id, job.attempts)
    report({"event": "started", "job": job.id, "attempt": job.attempts, "time_limit": task.time_limit})
    try:
        args, kwargs = unpack(task.parameters, from_plain(arguments, _fetch_bytes))
        if task.bind:
            args.insert(0, Context(task, job.id, job.attempts, retries, job.worker_id, context, manager.on_only_waits))
        with no_waiting(task.name), soft_time_limit(task.soft_time_limit):
            result = task.function(*args, **kwargs)
        manager.outcomes[job.id] = _success(task, result)
    except BaseException as error:
        manager.outcomes[job.id] = _failure(task, error, retries, context)
        if isinstance(error, StopIteration | StopAsyncIteration) or not isinstance(error, Exception):
            # asyncio cannot pass these on: the worker would wait for the task for ever, or end.
            raise TaskFailed(line_of(error)) from error
        raise


@contextmanager
def soft_time_limit(seconds: float | None) -> Iterator[None]:
    """Raise SoftTimeLimitExceeded in this thread when the block takes longer than `seconds`.

    A thread cannot be stopped from outside, but CPython can raise an exception in it. It does so between two bytecodes,
    so a long call into C (a big matrix product, a database query) ends first. For a call that never ends there is
    `time_limit`: the supervisor kills the process.
    """
    if seconds is None:
        yield
        return
    thread = ctypes.c_ulong(threading.get_ident())
    lock, over = threading.Lock(), False

    def expire() -> None:
        with lock:  # never after the end of the block: the exception would hit the thread's next work
            if not over:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, ctypes.py_object(SoftTimeLimitExceeded))

    timer = threading.Timer(seconds, expire)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        with lock:
            over = True
            # Cancel an exception that CPython was asked for but has not raised yet.
            ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, None)
        timer.cancel()


def _success(task: TaskOptions, result: Any) -> Outcome:
    if isinstance(result, bytes | bytearray | memoryview):
        data = bytes(result)
        _check_size(task, len(data))
        return Outcome("SUCCESS", data=data, keep=not task.ignore_result)
    value = None if result is None else to_json(result, f"The result of {task.name}")
    _check_size(task, len(value or ""))
    return Outcome("SUCCESS", value=value, keep=not task.ignore_result)


def _check_size(task: TaskOptions, size: int) -> None:
    if size > RESULT_BYTES:
        raise BadArguments(
            f"The result of {task.name} has {size:,} bytes, and at most {RESULT_BYTES:,} can be stored: return a "
            "smaller one, or the place of a file."
        )


def _failure(task: TaskOptions, error: BaseException, retries: int, context: JobContext) -> Outcome:
    text = traceback_of(error)
    if isinstance(error, JobAborted):
        if context.abort_reason() is AbortReason.SHUTDOWN:  # Ctrl-C: another worker runs it at once
            return Outcome("RETRY", traceback=text, counts=False)
        return Outcome("REVOKED", error=line_of(error), traceback=text, keep=True)
    counts = not isinstance(error, Retry) or error.counts
    if not counts or (isinstance(error, (Retry, *task.policy.errors)) and not task.policy.is_exhausted(retries)):
        asked = error.delay_s if isinstance(error, Retry) else None
        try:
            delay_s = task.policy.delay_s(retries) if asked is None else seconds(asked, "countdown")
        except BadArguments as bad:  # a `Retry` that the task raised itself
            return Outcome("FAILURE", error=line_of(bad), traceback=text, keep=True)
        return Outcome("RETRY", traceback=text, delay_s=delay_s, counts=counts)
    final = error.error if isinstance(error, Retry) and error.error is not None else error
    return Outcome("FAILURE", error=line_of(final), traceback=text, keep=True)


class RetryAdapter(BaseRetryStrategy):
    """Tells procrastinate if the runner decided to retry; `ganns.queue.manager` sets the delay."""

    def __init__(self, app: App) -> None:
        """Keep the app, whose job manager has the outcomes."""
        self._app = app

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        """Return a decision to retry if the job's outcome is RETRY."""
        outcome = self._app.job_manager.outcomes.get(job.id or 0)
        return RetryDecision() if outcome is not None and outcome.state == "RETRY" else None


def _fetch_bytes(job_id: int) -> bytes:
    """Return the bytes that a job returned: JSON cannot hold bytes."""
    with connect(require(), application="ganns worker: result") as conn:  # open only for this blob
        row = execute(conn, "tasks_blob", job_id=job_id).fetchone()
    if row is None or row["data"] is None:
        raise BadArguments(f"The bytes that job {job_id} returned are no longer there.")
    return bytes(row["data"])
