"""Ctrl-C and SIGTERM as something that a program looks at, not something that befalls it.

Python turns Ctrl-C into an exception between any two steps of the main thread: also after it took a lock and before
anything would give it back. The import system has such a lock. An interrupted import keeps it for ever; another
thread that imports anything waits for ever, and so does whoever waits for that thread. And where Python calls back
(`__del__`, a weak reference's callback: each import has one) the exception is printed and forgotten. So what starts
threads or processes asks at places of its own choice whether it is to stop.
"""

from __future__ import annotations

import queue
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any


class Stop(threading.Event):
    """An event that a signal handler may set, for one thread to wait for.

    The standard one has a lock: a handler that runs while its own thread is inside `wait` would wait for ever.
    """

    def __init__(self) -> None:
        """Not set yet."""
        super().__init__()
        self._asked = False
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()  # its `put` may interrupt its `get`

    def is_set(self) -> bool:
        """Tell whether it was set."""
        return self._asked

    def set(self) -> None:
        """Set it, from wherever."""
        self._asked = True
        self._wake.put(None)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set, `timeout` seconds at most; tell whether it is."""
        if not self._asked:
            with suppress(queue.Empty):
                self._wake.get(timeout=timeout)
        return self._asked


@contextmanager
def stop_on_signals() -> Iterator[threading.Event]:
    """Yield an event that Ctrl-C, SIGTERM and a closed terminal set; the second of a kind does what it did before us.

    Off the main thread, which is the only one that gets signals, nobody sets it.
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
