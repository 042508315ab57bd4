"""The process that draws faces and asks D about them: started at the first request, ended after a while without one."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections import OrderedDict
from contextlib import suppress
from typing import Any

from ganns.db.address import Address
from ganns.utils.interpreter import MODULE

IDLE_S = 300.0
"""Without a request for this time, the process is ended: it holds PyTorch and a model in memory."""
MAX_WAITING = 8
"""Requests that may wait for the process; further ones are refused."""
MAX_KEPT = 200
"""Answers that are kept: a class moves the same sliders, and looks at the same faces."""


class CannotDraw(Exception):
    """A reason, in words for the page, why there is no picture."""


class Busy(CannotDraw):
    """Too many requests wait."""


Answer = tuple[dict[str, Any], bytes]
"""Holds an answer of `ganns/export/drawing_process.py`, and a picture if it drew one."""


class Drawing:
    """Answers one question after the other, in a process of its own."""

    def __init__(self, address: Address) -> None:
        """Start no process yet; the first question does."""
        self._address = address
        self._turn, self._waiting = threading.Lock(), threading.Semaphore(MAX_WAITING)
        self._process: subprocess.Popen[bytes] | None = None
        self._timer: threading.Timer | None = None
        self._kept: OrderedDict[str, Answer] = OrderedDict()

    def kept(self, question: dict[str, Any], seen: int) -> Answer | None:
        """Return the answer if it is kept."""
        return self._kept.get(_key(question, seen))  # one look: another thread may drop it

    def ask(self, question: dict[str, Any], seen: int) -> Answer:
        """Return the answer to a question of the process; `seen` is the run's newest version that the viewer knows.

        Raises:
            CannotDraw: with the reason.
        """
        if (kept := self.kept(question, seen)) is not None:
            return kept
        if not self._waiting.acquire(blocking=False):
            raise Busy("Many people ask at once; wait a moment, and try again.")
        try:
            with self._turn:
                if (kept := self.kept(question, seen)) is None:
                    kept = self._kept[_key(question, seen)] = self._ask(question)
                    while len(self._kept) > MAX_KEPT:
                        self._kept.popitem(last=False)
                return kept
        finally:
            self._waiting.release()

    def close(self) -> None:
        """End the process."""
        with self._turn:
            self._end()

    def _ask(self, question: dict[str, Any]) -> Answer:
        process = self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(question).encode() + b"\n")
            process.stdin.flush()
            head = json.loads(process.stdout.readline())
            picture = process.stdout.read(head.get("size", 0))
        except (OSError, ValueError):  # it was killed, or ended with an error; the next request starts another
            self._end()
            raise CannotDraw("The process that draws has ended; try again to start another.") from None
        if "error" in head:
            raise CannotDraw(head["error"])
        return head, picture

    def _started(self) -> subprocess.Popen[bytes]:
        if self._timer is not None:
            self._timer.cancel()
        if self._process is None or self._process.poll() is not None:
            self._end()
            self._process = subprocess.Popen(
                [*MODULE, "ganns.export.drawing_process"],
                env=os.environ | {"GANNS_DATABASE_URL": self._address.conninfo},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,  # so that Ctrl-C in a terminal reaches only the dashboard
            )
        self._timer = threading.Timer(IDLE_S, self.close)
        self._timer.daemon = True
        self._timer.start()
        return self._process

    def _end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._process is not None:
            self._process.kill()
            for stream in (self._process.stdin, self._process.stdout):
                if stream is not None:
                    with suppress(OSError):  # what was not written yet
                        stream.close()
            self._process.wait()
        self._process = None


def _key(question: dict[str, Any], seen: int) -> str:
    return json.dumps([question, seen], sort_keys=True)
