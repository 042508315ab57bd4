"""One thread that does work beside the rounds, on a connection of its own: a round never waits for it."""

from __future__ import annotations

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
            name: of the thread, for the log.
            connect: opens the connection, when the first request comes and again after an error.
            handle: does what is requested.
            errors: after one of these, from `connect` or `handle`, the request is tried again on a new connection.
            num_kept: the number of requests that wait; a further one replaces the oldest.
            pause_s: wait this long before each request, so that of many fast ones only the newest is handled.
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
        """Handle the requests that wait, with one attempt, then end the thread; wait for it `timeout_s` seconds."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while self._wait_for_request():
            try:
                with self._connect() as resource:
                    while (request := self._take()) is not None:
                        try:
                            self._handle(resource, request)
                        except self._errors:
                            self._put_back(request)
                            raise
                        self._failures = 0
            except self._errors as error:
                self._failures += 1
                log.warning("%s failed, on a new connection it is tried again: %s", self._thread.name, error)
                if self._is_stopping:
                    return

    def _wait_for_request(self) -> bool:
        """Pause if the last attempt failed, then wait for a request; return False if the thread is to end."""
        with self._changed:
            pause_s = backoff_s(self._failures - 1, *PAUSES_S) if self._failures else 0.0
            self._changed.wait_for(lambda: self._is_stopping, pause_s)
            self._changed.wait_for(lambda: self._requests or self._is_stopping)
            return bool(self._requests)

    def _take(self) -> Request | None:
        """Return the next request, after the pause; None if the connection is to be closed."""
        with self._changed:
            self._is_busy = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._is_stopping, self._pause_s)
            self._changed.wait_for(lambda: self._requests or self._is_stopping or not self._stay_connected)
            if not self._requests:
                return None
            self._is_busy = True
            return self._requests.popleft()

    def _put_back(self, request: Request) -> None:
        with self._changed:
            self._is_busy = False
            if len(self._requests) < (self._requests.maxlen or 1):  # else newer ones took its place
                self._requests.appendleft(request)
