"""How long to wait before a task is tried again: exponential backoff with full jitter, as Celery computes it."""

from __future__ import annotations

import random
from dataclasses import dataclass

CAP_S = 5.0
"""The longest delay unless the task says otherwise. A class is short: ten minutes of patience help nobody."""


@dataclass(frozen=True)
class RetryPolicy:
    """When a failed task is tried again."""

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
        """Tell whether a task that was tried again `retries` times has had all its chances."""
        return self.max_retries is not None and retries >= self.max_retries
