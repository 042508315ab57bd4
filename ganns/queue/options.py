"""Options of a task: what the decorator was given, checked; what callers, workers and the database read."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ganns.queue.retry import RetryPolicy


@dataclass(eq=False)
class TaskOptions:
    """A function and what callers and workers must know about it; the fields are those of `task`."""

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

    def rule(self) -> dict[str, Any] | None:
        """Return what the database must know of this task before a worker takes it; None if nothing."""
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
