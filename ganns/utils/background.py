"""One thread that does work beside the rounds, on a connection of its own: a round never waits for it."""

from __future__ import annotations

import atexit
import logging
import threading
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Generic, TypeVar

from ganns.utils.backoff import backoff_s

log = logging.getLogger(__name__)
Resource = TypeVar("Resource")
Request = TypeVar("Request")

PAUSES_S = (0.5, 30.0)
"""The first and the longest pause after an error, before the connection is opened again."""


def end_before_exit(thread: threading.Thread) -> None:
    """Let the end of the program wait for a daemon thread that still runs; it must have been told to stop.

    When Python ends, a daemon thread is cut off where it takes Python's lock again. In the middle of a call into C++,
    as torch's are, this ends the whole process: "terminate called without an active exception".
    """
    if thread.is_alive():
        atexit.register(thread.join)


class Background(Generic[Resource, Request]):
    """A thread that handles the newest requests, oldest first, and tries again after a lost connection."""

    def __init__(
        self,
        name: str,
        connect: Callable[[], AbstractContextManager[Resource]],
        handle: Callable[[Resource, Request], None],
        errors: tuple[type[Exception], ...],
        *,
        num_kept: int = 1,
        pause_s: float = 0.0,
        stay_connected: bool = True,
    ) -> None:
        """Start the thread.

        Args:
            name: of the thread.
            connect: opens the connection, when a request comes.
            handle: does what is requested.
            errors: after one of these the request is tried again, on a new connection.
            num_kept: the number of requests that wait; a further one replaces the oldest.
            pause_s: wait this long before each request.
            stay_connected: keep the connection open while no request waits.
        """
        self._connect, self._handle, self._errors = connect, handle, errors
        self._pause_s, self._stay_connected = pause_s, stay_connected
        self._requests: deque[Request] = deque(maxlen=num_kept)
        self._changed = threading.Condition()
        self._is_busy = self._is_stopping = False
        self._failures = 0  # in a row
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, request: Request) -> None:
        """Let the thread handle a request soon."""
        with self._changed:
            self._requests.append(request)
            self._changed.notify_all()

    def wait_idle(self, timeout_s: float) -> bool:
        """Wait until every request is handled; return False if that takes longer than `timeout_s` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not (self._requests or self._is_busy), timeout_s)

    def close(self, timeout_s: float | None = None) -> None:
        """Handle the requests that wait, with one attempt, then end the thread; wait for it `timeout_s` seconds.

        A thread that needs longer goes on; the end of the program waits for it.
        """
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()
        try:
            self._thread.join(timeout_s)
        finally:  # also after a second Ctrl-C
            end_before_exit(self._thread)

    def _run(self) -> None:
        while self._wait(backoff_s(self._failures - 1, *PAUSES_S) if self._failures else 0.0):
            try:
                with self._connect() as resource:
                    while self._wait(self._pause_s, keep_waiting=self._stay_connected):
                        self._handle_next(resource)
            except self._errors as error:
                self._failures += 1
                log.warning("%s failed, on a new connection it is tried again: %s", self._thread.name, error)
                if self._is_stopping:
                    return

    def _wait(self, pause_s: float, keep_waiting: bool = True) -> bool:
        """Pause, then wait for a request; return False if none comes before the end (or at once, if told so)."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_stopping, pause_s)
            self._changed.wait_for(lambda: self._requests or self._is_stopping or not keep_waiting)
            return bool(self._requests)

    def _handle_next(self, resource: Resource) -> None:
        with self._changed:
            self._is_busy, request = True, self._requests.popleft()
        try:
            self._handle(resource, request)
            self._failures = 0
        except self._errors:
            with self._changed:
                if len(self._requests) < (self._requests.maxlen or 0):  # else newer requests took its place
                    self._requests.appendleft(request)
            raise
        finally:
            with self._changed:
                self._is_busy = False
                self._changed.notify_all()
