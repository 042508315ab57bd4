"""A worker process under a supervisor: start it, read its events and its log, kill it, start it again."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import IO

from ganns.queue.events import PID_VARIABLE
from ganns.worker import platforms

SIGNS_OF_LIFE = ("heartbeat", "waiting")
"""Events that the child's event loop sends. Events of its threads do not prove that the loop runs."""


class Child:
    """A worker process and the supervisor's knowledge of it. Times are monotonic seconds of this machine."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        variables: Mapping[str, str],
        put: Callable[[tuple[Child | None, dict[str, object]]], None],
    ) -> None:
        """Keep the settings; reader threads call `put` with (this child, event)."""
        self.name, self._command, self._variables, self._put = name, list(command), dict(variables), put
        self._process: subprocess.Popen[bytes] | None = None
        self.restart_at: float | None = None
        self.failures = 0  # in a row
        self.unusable = False  # it said that another process on this machine could not work either
        self._reset()

    def _reset(self) -> None:
        self.life_at = time.monotonic()
        self.ready = False
        self.was_killed = False
        self.terminate = False
        self.running: dict[int, float | None] = {}  # job -> when its time limit is reached

    @property
    def pid(self) -> int | None:
        """The process's number; None before the first start."""
        return self._process.pid if self._process else None

    @property
    def exit_code(self) -> int | None:
        """The code it ended with; None while it runs."""
        return self._process.poll() if self._process else None

    def is_running(self) -> bool:
        """Return True if the process runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the process, with a pipe for its reports and one for its log."""
        self._reset()
        self.restart_at = None
        reading, writing = os.pipe()
        options, variables = platforms.child_options(writing)
        try:
            self._process = subprocess.Popen(
                self._command,
                env={
                    **os.environ,
                    **self._variables,
                    **variables,
                    PID_VARIABLE: str(os.getpid()),
                    "PYTHONUNBUFFERED": "1",
                },
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                **options,
            )
        except OSError as error:  # no process or memory is left for now: treat it like a child that ended at once
            os.close(reading)
            self._put((self, {"event": "log", "pid": self.pid, "text": f"cannot start: {error}"}))
            return
        finally:
            os.close(writing)  # our copy: now the pipe ends with the child
        pid, log = self._process.pid, self._process.stdout
        assert log is not None
        # Threads, because Windows cannot select on pipes. They end with the child.
        for target, stream in ((self._read_reports, os.fdopen(reading, "rb")), (self._read_log, log)):
            threading.Thread(target=target, args=(stream, pid), daemon=True).start()

    def _read_reports(self, stream: IO[bytes], pid: int) -> None:
        with stream:
            for line in stream:
                try:
                    event = json.loads(line)
                except ValueError:
                    continue
                if isinstance(event, dict):
                    self._put((self, event | {"pid": pid}))

    def _read_log(self, stream: IO[bytes], pid: int) -> None:
        with stream:
            for line in stream:
                self._put((self, {"event": "log", "pid": pid, "text": line.decode(errors="replace").rstrip()}))

    def handle(self, event: dict[str, object], now: float) -> None:
        """Update this object from an event of the child."""
        kind, job = event.get("event"), event.get("job")
        if kind in SIGNS_OF_LIFE:
            self.life_at, self.ready = now, True
            if kind == "heartbeat":
                self.failures = 0
        if kind == "unusable":
            self.unusable = True
        if not isinstance(job, int):
            return
        if kind == "started":
            limit_s = event.get("time_limit")
            # A task with a limit reports itself, after the worker did without a limit: keep the limit.
            if isinstance(limit_s, int | float):
                self.running[job] = now + limit_s
            else:
                self.running.setdefault(job, None)
        elif kind == "finished":
            self.running.pop(job, None)
        elif kind == "terminate":
            self.terminate = job in self.running  # otherwise it has ended in the meantime

    def postpone(self, seconds: float) -> None:
        """Move all deadlines by the seconds during which the machine slept."""
        self.life_at += seconds
        self.running = {job: None if until is None else until + seconds for job, until in self.running.items()}

    def ask_to_leave(self) -> None:
        """Ask the child to hand back its unit and exit."""
        if self._process is not None and self.is_running():
            platforms.ask_to_leave(self._process)

    def kill(self) -> None:
        """End the process now, if it runs."""
        if self._process is not None and self.is_running():
            self.was_killed = True
            self._process.kill()
            self._process.wait()
