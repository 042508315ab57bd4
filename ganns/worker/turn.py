"""When a worker takes its next job: when none runs here, or the only one just waits for the network.

procrastinate's worker counts with a semaphore how many jobs may run. A `Turn` stands in its place. A job that says that
it only waits (`ganns.queue.runner.Context.only_waits`), as for the end of its upload, leaves the processor to one more
job. There are never more than two, since nothing is gained by a third.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import Literal


class Turn:
    """Decides if the worker may take a job. All is called on the worker's event loop."""

    def __init__(self, running: Callable[[], Collection[int]]) -> None:
        """`running` returns the numbers of the jobs that run here."""
        self._running = running
        self._waiting: set[int] = set()
        self._changed = asyncio.Event()

    def only_waits(self, job_id: int) -> None:
        """Note that a job computes nothing any more."""
        if job_id in self._running():
            self._waiting.add(job_id)
            self._changed.set()

    def waiting(self) -> set[int]:
        """Return the jobs that run here and only wait."""
        self._waiting &= set(self._running())
        return set(self._waiting)

    def is_free(self) -> bool:
        """Return True if the worker may take a job."""
        running = set(self._running())
        return not running or (len(running) == 1 and running == self.waiting())

    async def acquire(self) -> Literal[True]:
        """Wait until the worker may take a job: the semaphore's method."""
        while not self.is_free():
            self._changed.clear()
            await self._changed.wait()
        return True

    def release(self) -> None:
        """Look again, since a job has ended: the semaphore's method."""
        self._changed.set()
