"""The supervisor: the parent of worker processes. When a child hangs or ends, it starts another one.

It has no database connection and imports no torch, so neither can make it hang. It knows its children only by the
events that they `report`. It kills a child (with kill -9, because a hung process ignores other signals)

- that reported for `STALL_S` seconds neither a stored heartbeat nor a failed *new* connection. The failed connection is
  a sign of life too: a new process cannot cure a server that is away, so a child waits until the server returns. A
  child that computes has `BUSY_STALL_S`, because its event loop shares the processors with the computation.
- whose task runs beyond its hard time limit, or was revoked with `terminate`: a thread cannot be killed, its process
  can.

A child that reports that it cannot work on this machine (its device cannot compute) is not started again.

The supervisor writes nothing to the database: the rescue notices that the child's heartbeats have ended.
"""

from __future__ import annotations

import os
import queue
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ganns.utils.backoff import backoff_s
from ganns.worker.child import Child
from ganns.worker.platforms import leave_signals

START_S = 120.0  # loading torch from a cold, slow disk
STALL_S = 20.0
BUSY_STALL_S = 60.0
LEAVE_S = 10.0  # from the first Ctrl-C to the kill
CHECK_EVERY_S = 0.25
ASLEEP_S = 5.0  # a step of this loop that takes this long: the machine slept, or this process was stopped
DELAYS_S = (0.5, 5.0)  # before a new child: the first and the longest delay

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
    ) -> None:
        """Prepare the children; `names` maps each worker's name to its environment variables.

        $GANNS_STALL_S, if it is set, replaces both stall times, for a class (or a test) that cannot wait.
        """
        stall_s = float(os.environ.get("GANNS_STALL_S") or 0)
        self._limits = limits or (Limits(stall_s=stall_s, busy_stall_s=stall_s) if stall_s else Limits())
        self._say, self._on_event = say, on_event
        # SimpleQueue: `put` may be called by a signal handler while the same thread is inside `get`.
        self._events: queue.SimpleQueue[tuple[Child | None, dict[str, object]]] = queue.SimpleQueue()
        self._children = [Child(name, command, variables, self._events.put) for name, variables in names.items()]
        self._asked = 0

    def ask_to_stop(self, *_: object) -> None:
        """Stop: the first call lets children hand back their units, the second kills them. Any thread may call."""
        self._asked += 1
        self._events.put((None, {}))

    def run(self) -> int:
        """Supervise until `ask_to_stop` or a signal; return the exit code, which is 130 after a second one."""
        before = {number: signal.signal(number, self.ask_to_stop) for number in leave_signals()}
        try:
            for child in self._children:
                child.start()
            return self._loop()
        finally:
            for child in self._children:
                child.kill()
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
            if not any(child.is_running() for child in self._children):
                if leaving_at is not None:
                    return 0
                if all(child.unusable for child in self._children):
                    return 1

    def _handle(self, child: Child, event: dict[str, object]) -> None:
        """Handle one event; ignore an event of a process that was replaced."""
        if event.get("pid") == child.pid:
            child.handle(event, time.monotonic())
            self._on_event(child.name, event)

    def _check_children(self, now: float, *, leaving: bool) -> None:
        """Kill children that hang, and start others in the place of those that ended."""
        for child in self._children:
            if child.is_running():
                if not leaving and (why := self._why_kill(child, now)):
                    self._say(child.name, f"{why}: ending the process and starting another")
                    child.kill()
            elif leaving or child.unusable:
                continue
            elif child.restart_at is None:
                # Code 0 included: procrastinate's worker ends "well" when a side task of its own died.
                child.restart_at = now + backoff_s(child.failures, *DELAYS_S)
                child.failures += 1
                if not child.was_killed:
                    self._say(child.name, f"ended by itself with code {child.exit_code}; starting it again")
            elif now >= child.restart_at:
                child.start()

    def _why_kill(self, child: Child, now: float) -> str | None:
        """Return the reason to kill a child; None if there is none."""
        if child.terminate:
            return "told to end its task"
        if late := [job for job, until in child.running.items() if until is not None and now > until]:
            return f"job {late[0]} ran into its time limit"
        silent_s = now - child.life_at
        if not child.ready:
            limit_s = self._limits.start_s
        else:
            limit_s = self._limits.busy_stall_s if child.running else self._limits.stall_s
        return f"not heard of for {silent_s:.0f} s" if silent_s > limit_s else None
