"""A worker that the lab started: `ganns worker`, which is a supervisor and a process that computes.

psutil also compares the start time of a process, so it never signals another process that got the same number.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from ganns.utils.interpreter import MODULE

RUNS_S, RESTS_S = 0.05, 0.45
"""A slow worker runs and pauses for these times, in turn."""


class LabWorker:
    """One worker, and the harm that was done to it."""

    def __init__(self, name: str, conninfo: str, log: Path) -> None:
        """Start the worker in its own session, so that Ctrl-C in a terminal reaches only the dashboard."""
        self.name, self.stopped, self.killed = name, False, False
        self._slowing: asyncio.Task[None] | None = None
        self._known: list[psutil.Process] = []
        with log.open("wb") as stream:
            self.process = subprocess.Popen(
                [*MODULE, "ganns", "worker", "--name", name, "--threads", "1"],
                env=os.environ | {"GANNS_DATABASE_URL": conninfo, "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )
        self._supervisor = psutil.Process(self.process.pid)

    @property
    def is_slow(self) -> bool:
        """Whether the worker is being slowed down."""
        return self._slowing is not None

    def runs(self) -> bool:
        """Return whether the supervisor runs."""
        return self.process.poll() is None

    def processes(self) -> list[psutil.Process]:
        """Return the worker's processes, the supervisor first; also those that outlive a killed supervisor."""
        with suppress(psutil.NoSuchProcess):
            self._known = self._supervisor.children(recursive=True) or self._known
        found = [self._supervisor] if self.runs() else []
        return found + [one for one in self._known if _lives(one)]

    def kill(self) -> None:
        """Kill all processes: first the supervisor, which would restart the others."""
        self.full_speed()
        self.killed = True
        for one in self.processes():
            with suppress(psutil.NoSuchProcess):
                one.kill()
        self.process.wait(10)

    def stop(self) -> None:
        """Stop all processes: first the supervisor, which would notice the others."""
        self.full_speed()
        self.stopped = True
        for one in self.processes():
            with suppress(psutil.NoSuchProcess):
                one.suspend()

    def go_on(self) -> None:
        """Continue all processes."""
        self.stopped = False
        for one in reversed(self.processes()):
            with suppress(psutil.NoSuchProcess):
                one.resume()

    def slow_down(self) -> None:
        """Let the computing processes run for a tenth of the time; the supervisor runs normally."""
        if self._slowing is None:
            self._slowing = asyncio.get_running_loop().create_task(self._slow())

    def full_speed(self) -> None:
        """Let all processes run all the time."""
        if self._slowing is not None:
            self._slowing.cancel()
            self._slowing = None
            self.go_on()

    def state(self) -> dict[str, Any]:
        """Return the state that the page shows."""
        if self.killed:
            state = "killed"
        elif not self.runs():
            state = "left"
        else:
            state = "stopped" if self.stopped else "slow" if self.is_slow else "running"
        return {"name": self.name, "pids": [one.pid for one in self.processes()], "state": state}

    async def _slow(self) -> None:
        while self.runs():
            computing = [one for one in self.processes() if one != self._supervisor]
            for seconds, change in ((RESTS_S, psutil.Process.suspend), (RUNS_S, psutil.Process.resume)):
                for one in computing:
                    with suppress(psutil.NoSuchProcess):
                        change(one)
                await asyncio.sleep(seconds)


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
