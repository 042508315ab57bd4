"""The supervisor's knowledge of one worker: its process, its events, its deadlines."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from ganns.worker import platforms
from ganns.worker.process import Process, Put

SIGNS_OF_LIFE = ("heartbeat", "waiting")
"""Events that the child's event loop sends. Events of its threads do not prove that the loop runs."""
UNUSABLE = 78
"""The exit code of a child that cannot load its app or use its device: another one would end in the same way."""


class Child:
    """A worker process and the supervisor's knowledge of it. Times are monotonic seconds of this machine."""

    def __init__(self, name: str, command: Sequence[str], variables: Mapping[str, str], put: Put) -> None:
        """Keep the settings; reader threads call `put` with (this child, event)."""
        self.name, self._command, self._variables, self._put = name, list(command), dict(variables), put
        self._process: Process | None = None
        self.restart_at: float | None = None
        self.failures = 0  # in a row
        self._reset()

    def _reset(self) -> None:
        self.life_at = self.stored_at = time.monotonic()
        self.ready = False
        self.was_killed = False
        self.terminate = False
        self.unusable: str | None = None
        self.worker_id: int | None = None  # in the database
        self.running: dict[int, float | None] = {}  # job -> when its time limit is reached
        self._cpu_s, self.computed_at = 0.0, 0.0
        self._stopped_at: float | None = None
        self._num_turns = 0

    @property
    def pid(self) -> int | None:
        """The process's number; None before the first start."""
        return self._process.popen.pid if self._process else None

    @property
    def exit_code(self) -> int | None:
        """The code it ended with; None while it runs."""
        return self._process.popen.poll() if self._process else None

    def is_running(self) -> bool:
        """Return True if the process runs."""
        return self._process is not None and self._process.is_running()

    def start(self, spare: Process | None = None) -> None:
        """Start the process, or take a spare one that has loaded its modules."""
        self._reset()
        self.restart_at = None
        if spare is not None and spare.hand_over(self, self._variables):
            self._process = spare
            return
        try:
            self._process = Process(self._command, self._variables, self._put, self)
        except OSError as error:  # no process or memory is left for now: treat it like a child that ended at once
            self._put((self, {"event": "log", "pid": self.pid, "text": f"cannot start: {error}"}))

    def handle(self, event: dict[str, object], now: float) -> None:
        """Update this object from an event of the child."""
        kind, job, worker = event.get("event"), event.get("job"), event.get("worker")
        if kind in SIGNS_OF_LIFE:
            self.life_at, self.ready = now, True
            if kind == "heartbeat":
                self.failures, self.stored_at = 0, now
        if kind in ("registered", "heartbeat") and isinstance(worker, int):
            self.worker_id = worker
        elif kind == "unusable":
            self.unusable = str(event.get("text"))
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
            # The idle limit counts from here: a task that kept Python's lock let no sign of life through.
            self.life_at = max(self.life_at, now)
        elif kind == "terminate":
            self.terminate = job in self.running  # otherwise it has ended in the meantime

    def is_late(self, now: float, after_s: float) -> bool:
        """Return True if the process needs a heartbeat in its place: it lives, and stored none for `after_s` seconds.

        A stopped process computes nothing, so its jobs are better given to others.
        """
        if self.worker_id is None or now - self.stored_at < after_s or not self.is_running():
            return False
        vitals = platforms.vitals(self.pid or 0)
        return vitals is None or not vitals.is_stopped

    def check_computing(self, now: float) -> None:
        """Note if the process used its processor since the last call, as far as the system tells it."""
        vitals = platforms.vitals(self.pid or 0)
        if vitals is not None and vitals.cpu_s > self._cpu_s:
            self._cpu_s, self.computed_at = vitals.cpu_s, now

    def stopped_s(self, now: float) -> float:
        """Return for how many seconds the process is stopped (by SIGSTOP), as far as the system tells."""
        vitals = platforms.vitals(self.pid or 0)
        if vitals is None or not vitals.is_stopped:
            self._stopped_at = None
            return 0.0
        if self._stopped_at is None or vitals.num_turns != self._num_turns:  # it ran since: it is only slowed down
            self._stopped_at, self._num_turns = now, vitals.num_turns
        return now - self._stopped_at

    def postpone(self, seconds: float) -> None:
        """Move all deadlines by the seconds during which the machine slept."""
        self._stopped_at = None  # count anew
        self.life_at += seconds
        self.stored_at += seconds
        self.running = {job: None if until is None else until + seconds for job, until in self.running.items()}

    def ask_to_leave(self) -> None:
        """Ask the child to hand back its unit and exit."""
        if self._process is not None and self.is_running():
            platforms.ask_to_leave(self._process.popen)

    def kill(self) -> None:
        """End the process now, if it runs."""
        if self._process is not None and self.is_running():
            self.was_killed = True
            self._process.kill()
