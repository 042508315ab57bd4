"""Locks between processes and between threads; the system releases them when their holder ends in any way."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

if sys.platform != "win32":
    import fcntl


@contextmanager
def one_at_a_time(path: Path, waiting: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Run the block while no other process and no other thread runs a block with the same path.

    Args:
        path: the file or folder that the block makes; the lock is `path` with ".lock" at its end.
        waiting: called once if the block has to wait.
    """
    lock = filelock.FileLock(f"{path}.lock")
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout:
        waiting()
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


class FileLock:
    """A lock on a file: several objects share it, or one holds it alone, also within one process.

    It uses `flock`, because the system releases that lock with the process. A file with a process number would remain
    after a kill -9. `lockf` belongs to the process: one object would release another's lock. An object is for one
    thread: two threads that share it do not exclude each other. On Windows this class does nothing.
    """

    def __init__(self, path: Path) -> None:
        """Keep the file's path. The file is created when the lock is first taken, and stays."""
        self._path = path
        self._fd: int | None = None

    def __enter__(self) -> FileLock:
        """Take the lock alone; wait until no other object holds it."""
        self._lock(exclusive=True)
        return self

    def __exit__(self, *error: object) -> None:
        """Release the lock."""
        self.release()

    def share(self) -> None:
        """Take the lock together with others; wait until no object holds it alone."""
        self._lock(exclusive=False)

    def try_take(self) -> bool:
        """Take the lock alone if no other object holds it; return True if it was free."""
        try:
            self._lock(exclusive=True, wait=False)
        except BlockingIOError:
            return False
        return True

    def fileno(self) -> int:
        """Return the descriptor of the open file: a child that inherits it holds the lock too."""
        assert self._fd is not None
        return self._fd

    def release(self) -> None:
        """Release the lock, unless a child inherited it."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _lock(self, *, exclusive: bool, wait: bool = True) -> None:
        if self._fd is None:
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        if sys.platform != "win32":
            fcntl.flock(self._fd, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | (0 if wait else fcntl.LOCK_NB))
