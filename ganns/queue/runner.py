"""One attempt of a task: call the function, and leave its outcome for the worker to record.

The outcome is not written here: procrastinate's worker makes one more call to end the job, and the result travels with
it (`ganns.queue.manager`), in the same statement and the same transaction.
"""

from __future__ import annotations

import traceback
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
from ganns.errors import BadArguments, Retry
from ganns.queue.app import App
from ganns.queue.arguments import to_json, unpack
from ganns.queue.events import report
from ganns.queue.limits import soft_time_limit
from ganns.queue.manager import JobManager, Outcome
from ganns.queue.options import TaskOptions

TRACEBACK_CHARS = 20_000


@dataclass(frozen=True)
class Context:
    """What a bound task knows of itself: Celery's `self` and `self.request` in one."""

    task: TaskOptions
    job_id: int
    attempt: int
    retries: int
    worker_id: int | None
    job_context: JobContext

    def should_abort(self) -> bool:
        """Tell whether the task was revoked, or the worker wants to leave: raise `aborted()` soon."""
        return self.job_context.should_abort()

    def aborted(self) -> JobAborted:
        """Return the error to raise when `should_abort()`: REVOKED after a revoke, tried elsewhere after Ctrl-C."""
        return JobAborted()

    def retry(self, *, countdown: float | None = None, message: str = "asked to be tried again") -> NoReturn:
        """Try this task again, after `countdown` seconds or the backoff's delay."""
        raise Retry(message, countdown)

    def hand_back(self, error: BaseException) -> NoReturn:
        """Give the task to another worker, soon: `error` is this worker's fault, so it uses up none of the retries."""
        delay_s = self.task.policy.delay_s(self.attempt)
        raise Retry(f"{type(error).__name__}: {error}", delay_s, counts=False) from error


def run(task: TaskOptions, manager: JobManager, context: JobContext, arguments: dict[str, Any]) -> None:
    """Run one attempt; raises what procrastinate must see for its own records."""
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
        if context.abort_reason() is AbortReason.SHUTDOWN:  # Ctrl-C: somebody else does it, at once
            return Outcome("RETRY", traceback=text, counts=False)
        return Outcome("REVOKED", error=line, traceback=text, keep=True)
    if isinstance(error, Retry) and not error.counts:
        return Outcome("RETRY", traceback=text, delay_s=error.delay_s or 0.0, counts=False)
    if isinstance(error, (Retry, *task.policy.errors)) and not task.policy.is_exhausted(retries):
        asked = error.delay_s if isinstance(error, Retry) else None
        return Outcome("RETRY", traceback=text, delay_s=task.policy.delay_s(retries) if asked is None else asked)
    return Outcome("FAILURE", error=line, traceback=text, keep=True)


class RetryAdapter(BaseRetryStrategy):
    """Tell procrastinate what the runner decided; the delay itself goes by the server's clock (`ganns.queue.manager`)."""

    def __init__(self, app: App) -> None:
        """Remember where the outcomes are."""
        self._app = app

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        """Retry when the outcome says so."""
        outcome = self._app.job_manager.outcomes.get(job.id or 0)
        return RetryDecision() if outcome is not None and outcome.state == "RETRY" else None


def _fetch_bytes(value: Any) -> Any:
    """Put raw bytes, which cannot be in JSON, in the place of {"$result": job} as a previous task's result."""
    if isinstance(value, dict):
        if value.keys() == {"$result"}:
            with connect(require(), application="ganns worker: result") as conn:  # only while a blob moves
                row = execute(conn, "tasks_blob", job_id=value["$result"]).fetchone()
            if row is None or row["data"] is None:
                raise BadArguments(f"The bytes that job {value['$result']} returned are no longer there.")
            return bytes(row["data"])
        return {key: _fetch_bytes(one) for key, one in value.items()}
    return [_fetch_bytes(one) for one in value] if isinstance(value, list) else value
