"""Processes that draw or decode images, on all processors."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, TypeVar

Result = TypeVar("Result")

_starting = threading.Lock()
"""Hold this lock to start processes or end all: so the end cannot miss a process that is just starting."""
_stopped = False


def in_processes(function: Callable[..., Result], calls: Sequence[tuple[Any, ...]]) -> Iterator[Result]:
    """Yield `function(*call)` for each call, in order; a single call runs in this process.

    Raises:
        BrokenProcessPool: if the processes were ended, or may not be started any more (`in_background`).
    """
    if len(calls) == 1:
        yield function(*calls[0])
        return
    # spawn: the caller may have threads (torch's, procrastinate's), and a fork copies their locks as they are
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(os.cpu_count() or 1, len(calls)), context, _end_with_parent) as pool:
        with _starting, _shielded():
            if _stopped:
                raise BrokenProcessPool("no more processes are started: the program is leaving")
            jobs = [pool.submit(function, *call) for call in calls]
        for job in jobs:
            yield job.result()


def _end_with_parent() -> None:
    """End this process when the one that started it is gone, also if that was killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def in_background(function: Callable[..., Result], *arguments: Any) -> Iterator[Future[Result]]:
    """Run `function` on a thread, beside the block.

    If the block ends first, the thread's processes are ended at once, and the thread can start no others. So the thread
    ends soon, too; its exception is ignored.
    """
    global _stopped
    try:
        with ThreadPoolExecutor(1) as executor:  # waits for the thread
            job = executor.submit(function, *arguments)
            try:
                yield job
            finally:
                _stopped = True
                with _starting:
                    children = multiprocessing.active_children()
                for child in children:
                    child.terminate()
    finally:
        _stopped = False


@contextmanager
def _shielded() -> Iterator[None]:
    """Keep Ctrl-C, which a terminal sends to all, from processes that are started meanwhile: we end them ourselves."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
