"""The supervisor: the parent of worker processes. When a child hangs or ends, another one takes its place.

Its loop has no database connection and imports no torch, so neither can make it hang; a thread, the keeper
(`ganns.worker.keeper`), speaks to the database. It knows its children by the events that they `report`. It kills a
child (with kill -9, because a hung process ignores other signals)

- that reported for `STALL_S` seconds neither a stored heartbeat nor a failed *new* connection. The failed connection is
  a sign of life too: a new process cannot cure a server that is away, so a child waits until the server returns. A
  child with a task has `BUSY_STALL_S`, because its task may keep Python's lock, without which it can report nothing.
  While it uses its processor it has `LOCKED_STALL_S`.
- that is stopped for `STOPPED_S` seconds while the supervisor itself runs: then it is not the machine that sleeps.
- whose task runs beyond its hard time limit, or was revoked with `terminate`: a thread cannot be killed, its process
  can.

A child that reports that it cannot work on this machine (its tasks cannot be loaded, its device cannot compute) ends
all, if none has worked yet: other processes would end in the same way.

A spare process, which has loaded the tasks' modules, takes the place of the child that ends next: to load torch takes
seconds, most of the time until a new child works.
"""

from __future__ import annotations

import os
import queue
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ganns.utils.backoff import backoff_s
from ganns.worker.child import UNUSABLE, Child
from ganns.worker.keeper import Keeper
from ganns.worker.platforms import leave_signals
from ganns.worker.process import Process

START_S = 120.0  # loading torch from a cold, slow disk
STALL_S = 20.0
BUSY_STALL_S = 60.0
LOCKED_STALL_S = 600.0
STOPPED_S = 4.0
LEAVE_S = 10.0  # from the first Ctrl-C to the kill
CHECK_EVERY_S = 0.25
ASLEEP_S = 5.0  # a step of this loop that takes this long: the machine slept, or this process was stopped
DELAYS_S = (0.5, 5.0)  # before a new child: the first and the longest delay
LATE_S, LATE_EVERY_S = 3.5, 2.0  # a child beats every 3 s; after this time without one, the keeper beats for it
LAST_WORD_S = 1.0  # the reader thread may be slower than the process's end

Say = Callable[[str, str], None]
"""A function that gets a worker's name and a line about it."""
OnEvent = Callable[[str, dict[str, object]], None]
"""A function that gets a worker's name and its event."""


@dataclass(frozen=True)
class Limits:
    """The longest times before a child is killed, in seconds; tests use shorter ones."""

    start_s: float = START_S
    stall_s: float = STALL_S
    busy_stall_s: float = BUSY_STALL_S
    locked_stall_s: float = LOCKED_STALL_S
    leave_s: float = LEAVE_S


class Supervisor:
    """Keeps one process for each name running until it is told to stop."""

    def __init__(
        self,
        command: Sequence[str],
        names: Mapping[str, Mapping[str, str]],
        say: Say,
        on_event: OnEvent = lambda name, event: None,
        limits: Limits | None = None,
        *,
        keeper: Keeper | None = None,
        keep_spare: bool = False,
    ) -> None:
        """Prepare the children.

        $GANNS_STALL_S, if it is set, replaces the stall times of idle and of busy children, for a class (or a test)
        that cannot wait.

        Args:
            command: starts a child.
            names: each worker's name, with its environment variables.
            say: gets lines for people.
            on_event: gets the children's events.
            limits: the longest times.
            keeper: speaks to the database.
            keep_spare: keep one process ready that has loaded its modules; the command must know $GANNS_SPARE.
        """
        stall_s = float(os.environ.get("GANNS_STALL_S") or 0)
        self._limits = limits or (Limits(stall_s=stall_s, busy_stall_s=stall_s) if stall_s else Limits())
        self._say, self._on_event = say, on_event
        # SimpleQueue: `put` may be called by a signal handler while the same thread is inside `get`.
        self._events: queue.SimpleQueue[tuple[Child | None, dict[str, object]]] = queue.SimpleQueue()
        self._command = list(command)
        self._children = [Child(name, command, variables, self._events.put) for name, variables in names.items()]
        first = next(iter(names.values()))
        self._shared = {k: v for k, v in first.items() if all(one.get(k) == v for one in names.values())}
        self._keeper, self._keep_spare = keeper, keep_spare
        self._spare: Process | None = None
        self._asked = 0
        self._has_worked = False  # a child joined: what fails from now on may pass
        self.unusable: str | None = None
        """Why no child can work, in a sentence; None if they can."""

    def ask_to_stop(self, *_: object) -> None:
        """Stop: the first call lets children hand back their units, the second kills them. Any thread may call."""
        self._asked += 1
        self._events.put((None, {}))

    def terminate(self, worker_id: int, job: int) -> None:
        """Kill the child that has this number in the database, if it runs the job. Any thread may call."""
        for child in self._children:
            if child.worker_id == worker_id:
                self._events.put((child, {"event": "terminate", "job": job, "pid": child.pid}))

    def run(self) -> int:
        """Supervise until `ask_to_stop` or a signal.

        Returns:
            The exit code: 130 after a second signal; 1 if no child can work (see `unusable`).
        """
        before = {number: signal.signal(number, self.ask_to_stop) for number in leave_signals()}
        try:
            for child in self._children:
                child.start()
            return self._loop()
        finally:
            for child in self._children:
                child.kill()
            if self._spare is not None:
                self._spare.kill()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _loop(self) -> int:
        leaving_at: float | None = None
        checked_at = time.monotonic()
        while True:
            try:
                child, event = self._events.get(timeout=CHECK_EVERY_S)
                if child is not None:
                    self._handle(child, event)
            except queue.Empty:
                pass
            now = time.monotonic()
            if now - checked_at > ASLEEP_S:
                # No event was read in this time, so no child was silent.
                for child in self._children:
                    child.postpone(now - checked_at)
            checked_at = now
            if self._asked and leaving_at is None:
                leaving_at = now + self._limits.leave_s
                for child in self._children:
                    self._say(child.name, "leaving; its jobs go to other workers (Ctrl-C again: now)")
                    child.ask_to_leave()
            if self._asked > 1 or (leaving_at is not None and now > leaving_at):
                return 130 if self._asked > 1 else 0  # `run` kills the children that are left
            self._check_children(now, leaving=leaving_at is not None)
            if self.unusable is not None:
                return 1
            if leaving_at is not None and not any(child.is_running() for child in self._children):
                return 0

    def _handle(self, child: Child, event: dict[str, object]) -> None:
        """Handle one event; ignore an event of a process that was replaced."""
        if event.get("pid") != child.pid:
            return
        child.handle(event, time.monotonic())
        self._has_worked |= event.get("event") in ("registered", "heartbeat")  # not "waiting": it loads its tasks
        if self._keeper is not None and event.get("event") == "heartbeat" and event.get("rescue_is_vacant"):
            self._keeper.rescue_is_vacant()
        self._on_event(child.name, event)

    def _check_children(self, now: float, *, leaving: bool) -> None:
        """Kill children that hang, and start others in the place of those that ended."""
        for child in self._children:
            if child.is_running():
                if not leaving and (why := self._why_kill(child, now)):
                    self._say(child.name, f"{why}: ending the process and starting another")
                    child.kill()
                elif self._keeper is not None and child.is_late(now, LATE_S):
                    child.stored_at = now - LATE_S + LATE_EVERY_S
                    assert child.worker_id is not None
                    self._keeper.beat_for(child.worker_id)
                continue
            self._tell_keeper(child)
            if leaving:
                continue
            if child.restart_at is None:
                if child.exit_code == UNUSABLE and not self._has_worked:
                    child.restart_at = now + LAST_WORD_S  # its sentence may still be on its way
                    continue
                # Code 0 included: procrastinate's worker ends "well" when a side task of its own died.
                child.restart_at = now + backoff_s(child.failures, *DELAYS_S)
                child.failures += 1
                if not child.was_killed:
                    self._say(child.name, f"ended by itself with code {child.exit_code}; starting it again")
            elif child.exit_code == UNUSABLE and not self._has_worked and (child.unusable or now >= child.restart_at):
                self.unusable = child.unusable or "its tasks cannot be loaded"
                return
            elif now >= child.restart_at:
                spare, self._spare = self._spare, None
                child.start(spare)
        self._provide_spare(leaving)

    def _tell_keeper(self, child: Child) -> None:
        """Let the keeper hand on the jobs of a child that has ended."""
        if self._keeper is not None and child.worker_id is not None:
            self._keeper.ended(child.worker_id)
            child.worker_id = None

    def _provide_spare(self, leaving: bool) -> None:
        """Start a spare process when all children are at work: before that it would slow them down."""
        if not self._keep_spare or leaving or not all(one.is_running() and one.ready for one in self._children):
            return
        if self._spare is None or not self._spare.is_running():
            try:
                self._spare = Process(self._command, self._shared, self._events.put, None, spare=True)
            except OSError:  # no process or memory is left for now
                self._keep_spare = False

    def _why_kill(self, child: Child, now: float) -> str | None:
        """Return the reason to kill a child; None if there is none."""
        if child.terminate:
            return "told to end its task"
        if late := [job for job, until in child.running.items() if until is not None and now > until]:
            return f"job {late[0]} ran into its time limit"
        if (stopped_s := child.stopped_s(now)) > STOPPED_S:
            return f"stopped for {stopped_s:.0f} s"
        silent_s = now - child.life_at
        if not child.ready:
            limit_s = self._limits.start_s
        elif child.running:
            limit_s = self._limits.busy_stall_s
            child.check_computing(now)
            # It computed a moment ago: a task keeps Python's lock.
            if silent_s > limit_s and now - child.computed_at < limit_s:
                limit_s = self._limits.locked_stall_s
        else:
            limit_s = self._limits.stall_s
        return f"not heard of for {silent_s:.0f} s" if silent_s > limit_s else None
