"""Run one attempt of a task: call the function, and keep its outcome for the worker to record.

The outcome is not written here. procrastinate's worker makes one more call to end the job, and that call stores the
result too (`ganns.queue.manager`), in the same statement and the same transaction.
"""

from __future__ import annotations

import ctypes
import threading
import traceback
from collections.abc import Iterator
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
from ganns.errors import BadArguments, Retry, SoftTimeLimitExceeded
from ganns.queue.app import App
from ganns.queue.arguments import to_json, unpack
from ganns.queue.events import report
from ganns.queue.manager import JobManager, Outcome
from ganns.queue.options import TaskOptions

TRACEBACK_CHARS = 20_000


@dataclass(frozen=True)
class Context:
    """The first argument of a bound task: Celery's `self` and `self.request` in one."""

    task: TaskOptions
    job_id: int
    attempt: int
    retries: int
    worker_id: int | None
    job_context: JobContext

    def should_abort(self) -> bool:
        """Return True if the task was revoked or the worker leaves: then raise `aborted()` soon."""
        return self.job_context.should_abort()

    def aborted(self) -> JobAborted:
        """Return the error to raise: it means REVOKED after a revoke, and another worker's turn after Ctrl-C."""
        return JobAborted()

    def retry(self, *, countdown: float | None = None, message: str = "asked to be tried again") -> NoReturn:
        """End this attempt; the task is tried again after `countdown` seconds, or after the backoff's delay."""
        raise Retry(message, countdown)

    def hand_back(self, error: BaseException) -> NoReturn:
        """Give the task to another worker soon: `error` is this machine's fault, so it does not count as a retry."""
        delay_s = self.task.policy.delay_s(self.attempt)
        raise Retry(f"{type(error).__name__}: {error}", delay_s, counts=False) from error


def run(task: TaskOptions, manager: JobManager, context: JobContext, arguments: dict[str, Any]) -> None:
    """Run one attempt. Raises the task's error again, for procrastinate's own records."""
    job = context.job
    assert job.id is not None
    retries = manager.retries.get(job.id, job.attempts)
    report({"event": "started", "job": job.id, "attempt": job.attempts, "time_limit": task.time_limit})
    try:
        args, kwargs = unpack(task.parameters, _fetch_bytes(arguments))
        if task.bind:
            args.insert(0, Context(task, job.id, job.attempts, retries, job.worker_id, context))
        with soft_time_limit(task.soft_time_limit):
            result = task.function(*args, **kwargs)
        manager.outcomes[job.id] = _success(task, result)
    except BaseException as error:
        manager.outcomes[job.id] = _failure(task, error, retries, context)
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
        return Outcome("SUCCESS", data=bytes(result), keep=not task.ignore_result)
    value = None if result is None else to_json(result, f"The result of {task.name}")
    return Outcome("SUCCESS", value=value, keep=not task.ignore_result)


def _failure(task: TaskOptions, error: BaseException, retries: int, context: JobContext) -> Outcome:
    text = "".join(traceback.format_exception(error)).replace("\0", "\\0")
    text = text if len(text) <= TRACEBACK_CHARS else f"...\n{text[-TRACEBACK_CHARS:]}"
    line = f"{type(error).__name__}: {error}".replace("\0", "\\0")[:1000]
    if isinstance(error, JobAborted):
        if context.abort_reason() is AbortReason.SHUTDOWN:  # Ctrl-C: another worker runs it at once
            return Outcome("RETRY", traceback=text, counts=False)
        return Outcome("REVOKED", error=line, traceback=text, keep=True)
    if isinstance(error, Retry) and not error.counts:
        return Outcome("RETRY", traceback=text, delay_s=error.delay_s or 0.0, counts=False)
    if isinstance(error, (Retry, *task.policy.errors)) and not task.policy.is_exhausted(retries):
        asked = error.delay_s if isinstance(error, Retry) else None
        return Outcome("RETRY", traceback=text, delay_s=task.policy.delay_s(retries) if asked is None else asked)
    return Outcome("FAILURE", error=line, traceback=text, keep=True)


class RetryAdapter(BaseRetryStrategy):
    """Tells procrastinate if the runner decided to retry; `ganns.queue.manager` sets the delay."""

    def __init__(self, app: App) -> None:
        """Keep the app, whose job manager has the outcomes."""
        self._app = app

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        """Return a decision to retry if the job's outcome is RETRY."""
        outcome = self._app.job_manager.outcomes.get(job.id or 0)
        return RetryDecision() if outcome is not None and outcome.state == "RETRY" else None


def _fetch_bytes(value: Any) -> Any:
    """Replace each {"$result": job} with the bytes that this job returned: JSON cannot hold bytes."""
    if isinstance(value, dict):
        if value.keys() == {"$result"}:
            with connect(require(), application="ganns worker: result") as conn:  # open only for this blob
                row = execute(conn, "tasks_blob", job_id=value["$result"]).fetchone()
            if row is None or row["data"] is None:
                raise BadArguments(f"The bytes that job {value['$result']} returned are no longer there.")
            return bytes(row["data"])
        return {key: _fetch_bytes(one) for key, one in value.items()}
    return [_fetch_bytes(one) for one in value] if isinstance(value, list) else value
