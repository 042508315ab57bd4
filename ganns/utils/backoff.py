"""Pauses before the next attempt, longer after each failure, and never the same on two machines."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass


def backoff_s(failures: int, first_s: float, longest_s: float) -> float:
    """Return the pause in seconds after `failures` failed attempts before this one: 50 to 100 % of a doubling limit.

    The random part keeps 200 workers that failed together from coming back together
    (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
    """
    return min(longest_s, first_s * 2.0 ** min(failures, 60)) * random.uniform(0.5, 1.0)


def out_of_step(period_s: float) -> float:
    """Return 80 to 100 % of a period in seconds, so that many workers with the same period do not act at once."""
    return period_s * random.uniform(0.8, 1.0)


@dataclass
class Rest:
    """Tells whether something that failed rests now. All times are in seconds."""

    first_s: float = 10.0  # the pause after the first failure; it doubles with each further one in a row, up to
    longest_s: float = 300.0
    failures: int = 0  # in a row
    _until: float = 0.0

    @property
    def is_on(self) -> bool:
        """Whether it is to be left alone now."""
        return self.failures > 0 and time.monotonic() < self._until

    def failed(self) -> bool:
        """Begin a pause; return whether this is the first failure in a row, the one to tell about."""
        self.failures += 1
        self._until = time.monotonic() + backoff_s(self.failures - 1, self.first_s, self.longest_s)
        return self.failures == 1

    def worked(self) -> bool:
        """Take note of a success; return whether failures came before it."""
        had_failed, self.failures = self.failures > 0, 0
        return had_failed
