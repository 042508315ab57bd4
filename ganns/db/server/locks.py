"""A lock between processes that ends with its holder, however that ends."""

from __future__ import annotations

import os
import sys
from pathlib import Path

if sys.platform != "win32":
    import fcntl


class FileLock:
    """A lock on a file: many hold it shared, or one exclusively. Two objects exclude each other in one process too.

    `flock`, because the system drops it with the process: a file with a number in it would outlive a kill -9, and
    `lockf` belongs to the process, so that one object's release would be another's. On Windows it locks nothing.
    """

    def __init__(self, path: Path) -> None:
        """Name the file; it is made when the lock is first taken, and stays."""
        self._path = path
        self._fd: int | None = None

    def __enter__(self) -> FileLock:
        """Hold the lock alone; wait for the others."""
        self._lock(exclusive=True)
        return self

    def __exit__(self, *error: object) -> None:
        """Let go."""
        self.release()

    def share(self) -> None:
        """Hold the lock together with others; wait for one who holds it alone."""
        self._lock(exclusive=False)

    def try_take(self) -> bool:
        """Hold the lock alone if nobody else holds it; tell whether it was so."""
        try:
            self._lock(exclusive=True, wait=False)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        """Let go."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _lock(self, *, exclusive: bool, wait: bool = True) -> None:
        if self._fd is None:
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        if sys.platform != "win32":
            fcntl.flock(self._fd, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | (0 if wait else fcntl.LOCK_NB))
