"""Options of a task, checked by the decorator: callers, workers and the database read them."""

from __future__ import annotations

import inspect
import math
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ganns.errors import BadArguments, TaskUsageError

CAP_S = 5.0
"""The longest delay before a retry, unless the task sets another one: a class is short."""
QUEUE_BYTES, TASK_BYTES = 40, 128
"""The longest names. A queue's name is a part of the channel of its notifications, and PostgreSQL allows 63 bytes."""
BURST_S = 0.25
"""The bucket holds the tokens of a quarter of a second, so that workers that ask only now and then reach the rate."""
_PER_S = {"s": 1.0, "m": 60.0, "h": 3600.0}
LONGEST_S = 100 * 365 * 86400.0
"""A hundred years: PostgreSQL refuses times that are too far away, and then the job could not be recorded."""


def seconds(value: Any, what: str) -> float:
    """Return a time in seconds from 0 to `LONGEST_S`.

    Raises:
        BadArguments: for any other value, with the name `what`.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        raise BadArguments(f"{what}={value!r} must be a number of seconds, such as 2.5.")
    if not 0 <= value <= LONGEST_S:
        raise BadArguments(f"{what}={str(value)[:50]} must be between 0 and {LONGEST_S:.0f} seconds (a hundred years).")
    return float(value)


def moment(value: Any, what: str) -> str:
    """Return a time as ISO text.

    Raises:
        BadArguments: for a value that is no time with a time zone, with the name `what`.
    """
    todo = "write datetime.now(UTC) + timedelta(minutes=5), or use countdown"
    if not isinstance(value, datetime):
        raise BadArguments(f"{what}={repr(value)[:50]} must be a datetime: {todo}.")
    if value.tzinfo is None:
        raise BadArguments(f"{what}={value} has no time zone: {todo}.")
    return value.isoformat()


def check_place(queue: Any, priority: Any) -> None:
    """Check a queue's name and a priority, as the database stores them.

    Raises:
        BadArguments: for a queue that is no text of 1 to 40 bytes, or a priority that is no integer of 32 bits.
    """
    if queue is not None:
        check_name(queue, "queue", QUEUE_BYTES)
    is_number = isinstance(priority, int) and not isinstance(priority, bool)
    if priority is not None and not (is_number and -(2**31) <= priority < 2**31):
        raise BadArguments(f"priority={str(priority)[:50]} must be an integer of 32 bits.")


def check_name(name: Any, what: str, most_bytes: int) -> None:
    """Check a name that the database stores.

    Raises:
        BadArguments: if it is no text of 1 to `most_bytes` bytes in UTF-8 without NUL.
    """
    try:
        fits = isinstance(name, str) and 1 <= len(name.encode()) <= most_bytes and "\0" not in name
    except UnicodeEncodeError:  # half of a surrogate pair
        fits = False
    if not fits:
        shown = str(name)[:50].encode("ascii", "backslashreplace").decode()
        raise BadArguments(f"{what}={shown!r} must be a text of 1 to {most_bytes} bytes (letters of English have one).")


@dataclass(frozen=True)
class RetryPolicy:
    """When a failed task is tried again: exponential backoff with full jitter, as in Celery."""

    errors: tuple[type[BaseException], ...] = ()
    max_retries: int | None = 3
    backoff_s: float = 1.0
    backoff_max_s: float = CAP_S
    jitter: bool = True

    def delay_s(self, retries: int) -> float:
        """Return the seconds before retry number `retries + 1`.

        Jitter draws from the whole range, so that 200 workers that failed together do not come back together
        (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
        """
        delay_s = min(self.backoff_max_s, self.backoff_s * 2.0 ** min(retries, 60))
        return delay_s * random.random() if self.jitter else delay_s

    def is_exhausted(self, retries: int) -> bool:
        """Return True if a task that was tried again `retries` times must not be tried again."""
        return self.max_retries is not None and retries >= self.max_retries


def parse_rate(text: Any) -> tuple[float, float]:
    """Return (tokens a second, size of the bucket) of "10/s", "100/m" or "5/h".

    The token bucket is in the database (`ganns.task_rules`), so the limit holds for all workers together; Celery's
    holds for each worker. A job without a token stays queued, and the worker takes a job of another task.

    Raises:
        TaskUsageError: for any other text.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)/([smh])", text) if isinstance(text, str) else None
    if not match or float(match[1]) <= 0:
        raise TaskUsageError(f"rate_limit={text!r}: write a number above 0 and a unit, as in '10/s', '100/m' or '5/h'.")
    rate_per_s = float(match[1]) / _PER_S[match[2]]
    return rate_per_s, max(1.0, rate_per_s * BURST_S)


@dataclass(eq=False)
class TaskOptions:
    """A function and its options; the fields are those of the decorator `task`."""

    function: Callable[..., Any]
    name: str
    parameters: inspect.Signature  # without the context of a bound task
    queue: str
    priority: int
    policy: RetryPolicy
    bind: bool
    time_limit: float | None
    soft_time_limit: float | None
    expires: float | None
    rate: tuple[float, float] | None  # tokens a second, size of the bucket
    ignore_result: bool
    requires: list[str]
    memory_mb: int
    prepare: Callable[[Any, Callable[[str], None]], None] | None = None

    def rule(self) -> dict[str, Any] | None:
        """Return the options that the database needs before a worker takes a job; None if there are none."""
        if not (self.rate or self.requires or self.memory_mb or self.time_limit):
            return None
        rate_per_s, burst = self.rate or (None, 1.0)
        return {
            "task_name": self.name,
            "requires": self.requires,
            "memory_mb": self.memory_mb,
            "time_limit_s": self.time_limit,
            "rate_per_s": rate_per_s,
            "burst": burst,
        }
