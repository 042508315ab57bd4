"""Turn Ctrl-C and SIGTERM into a flag to poll.

Python raises Ctrl-C as an exception between any two steps of the main thread: also after the thread took a lock and
before it releases it. The import system has such a lock. An interrupted import keeps it for ever; then every other
thread that imports something waits for ever. And in a callback (`__del__`, or a weak reference's: each import has one)
Python prints the exception and forgets it. So a program that starts threads or processes polls a flag at safe places.
"""

from __future__ import annotations

import queue
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any


class Stop(threading.Event):
    """An event that a signal handler may set, and that one thread waits for.

    The standard event has a lock: a handler that runs while its own thread is inside `wait` would wait for ever.
    """

    def __init__(self) -> None:
        """Create an event that is not set."""
        super().__init__()
        self._asked = False
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()  # its `put` may interrupt its `get`

    def is_set(self) -> bool:
        """Return True if it was set."""
        return self._asked

    def set(self) -> None:
        """Set it, from any thread or handler."""
        self._asked = True
        self._wake.put(None)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set, for at most `timeout` seconds; return True if it is set."""
        if not self._asked:
            with suppress(queue.Empty):
                self._wake.get(timeout=timeout)
        return self._asked


@contextmanager
def stop_on_signals() -> Iterator[threading.Event]:
    """Yield an event that Ctrl-C, SIGTERM and a closed terminal set. A second signal has its usual effect.

    Only the main thread gets signals: in another thread no signal sets the event.
    """
    stop, before = Stop(), dict[int, Any]()

    def handler(number: int, frame: object) -> None:
        stop.set()
        signal.signal(number, before[number] or signal.SIG_DFL)

    if threading.current_thread() is threading.main_thread():
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)  # no SIGHUP on Windows, and nohup ignores it
            if number is not None and not (name == "SIGHUP" and signal.getsignal(number) is signal.SIG_IGN):
                before[number] = signal.getsignal(number)
                signal.signal(number, handler)
    try:
        yield stop
    finally:
        for number, previous in before.items():
            signal.signal(number, previous or signal.SIG_DFL)


@contextmanager
def sigterm_as_ctrl_c() -> Iterator[None]:
    """Let SIGTERM raise KeyboardInterrupt, as Ctrl-C does.

    By default SIGTERM ends a process at once: what its `with` blocks hold, such as a PostgreSQL, would run on.
    """

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)
