"""Processes that draw or decode images, on all processors."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

Result = TypeVar("Result")


def in_processes(function: Callable[..., Result], calls: Sequence[tuple[Any, ...]]) -> Iterator[Result]:
    """Yield `function(*call)` for each call, in order; a single call is not worth other processes."""
    if len(calls) == 1:
        yield function(*calls[0])
        return
    # spawn: the caller may have threads (torch's, procrastinate's), and a fork copies their locks as they are
    with ProcessPoolExecutor(os.cpu_count(), mp_context=multiprocessing.get_context("spawn")) as pool:
        with _shielded():
            jobs = [pool.submit(function, *call) for call in calls]
        for job in jobs:
            yield job.result()


def stop_pools() -> None:
    """End the processes of this module at once, wherever they are; whoever waits for them gets an error."""
    for child in multiprocessing.active_children():
        child.terminate()


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
