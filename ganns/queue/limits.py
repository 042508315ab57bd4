"""Limits: how often a task may run in the whole class, and for how long at a time.

The rate limit is a token bucket in the database (`ganns.task_rules`), so that it holds over all workers; Celery's
is one for each worker. A job that finds no token stays queued, and the worker takes another task's meanwhile.
"""

from __future__ import annotations

import ctypes
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ganns.errors import SoftTimeLimitExceeded, TaskUsageError

BURST_S = 0.25
"""The bucket holds what a quarter of a second brings: workers that look only now and then still reach the rate."""
_PER_S = {"s": 1.0, "m": 60.0, "h": 3600.0}


def parse_rate(text: str) -> tuple[float, float]:
    """Return (tokens a second, size of the bucket) of "10/s", "100/m" or "5/h".

    Raises:
        TaskUsageError: for anything else.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)/([smh])", text)
    if not match or float(match[1]) <= 0:
        raise TaskUsageError(f"rate_limit={text!r}: write a number above 0 and a unit, as in '10/s', '100/m' or '5/h'.")
    rate_per_s = float(match[1]) / _PER_S[match[2]]
    return rate_per_s, max(1.0, rate_per_s * BURST_S)


@contextmanager
def soft_time_limit(seconds: float | None) -> Iterator[None]:
    """Raise SoftTimeLimitExceeded in this thread when the block takes longer than `seconds`.

    A thread cannot be stopped from outside, but CPython can be asked to raise an exception in it. It does so
    between two bytecodes: a long call into C (a big matrix product, a database query) ends first. For what does not
    end there is `time_limit`, with which the supervisor kills the process.
    """
    if seconds is None:
        yield
        return
    thread = ctypes.c_ulong(threading.get_ident())
    lock, over = threading.Lock(), False

    def expire() -> None:
        with lock:  # never after the block has ended: the exception would hit whatever the thread does next
            if not over:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, ctypes.py_object(SoftTimeLimitExceeded))

    timer = threading.Timer(seconds, expire)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        with lock:
            over = True
            # Asked for but not raised yet: take it back.
            ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, None)
        timer.cancel()
