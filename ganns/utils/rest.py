"""After a failure, wait before the next attempt, longer each time."""

from __future__ import annotations

import time
from dataclasses import dataclass

from ganns.utils.backoff import backoff_s


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
