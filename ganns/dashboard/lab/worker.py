"""A worker that the lab started: `ganns worker`, which is a supervisor and the process that computes.

psutil remembers when a process began: a number that another process has meanwhile is never hit.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

RUNS_S, RESTS_S = 0.05, 0.45
"""A slow worker, of each half second."""


class LabWorker:
    """One worker, and what was done to it."""

    def __init__(self, name: str, conninfo: str, log: Path) -> None:
        """Start it, in a session of its own: a terminal's Ctrl-C reaches it only through us."""
        self.name, self.stopped, self.killed = name, False, False
        self._slowing: asyncio.Task[None] | None = None
        self._known: list[psutil.Process] = []
        with log.open("wb") as stream:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "ganns", "worker", "--name", name, "--threads", "1"],
                env=os.environ | {"GANNS_DATABASE_URL": conninfo, "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )
        self._supervisor = psutil.Process(self.process.pid)

    @property
    def is_slow(self) -> bool:
        """Whether it is being slowed down."""
        return self._slowing is not None

    def runs(self) -> bool:
        """Tell whether it is there."""
        return self.process.poll() is None

    def processes(self) -> list[psutil.Process]:
        """Return its processes, the supervisor first; those that a killed supervisor left behind, too."""
        with suppress(psutil.NoSuchProcess):
            self._known = self._supervisor.children(recursive=True) or self._known
        found = [self._supervisor] if self.runs() else []
        return found + [one for one in self._known if _lives(one)]

    def kill(self) -> None:
        """End all of it now: first the supervisor, which would replace the others."""
        self.full_speed()
        self.killed = True
        for one in self.processes():
            with suppress(psutil.NoSuchProcess):
                one.kill()
        self.process.wait(10)

    def stop(self) -> None:
        """Let all of it stand still: first the supervisor, which would miss the others."""
        self.full_speed()
        self.stopped = True
        for one in self.processes():
            with suppress(psutil.NoSuchProcess):
                one.suspend()

    def go_on(self) -> None:
        """Let all of it run again."""
        self.stopped = False
        for one in reversed(self.processes()):
            with suppress(psutil.NoSuchProcess):
                one.resume()

    def slow_down(self) -> None:
        """Let what computes run a tenth of the time; its supervisor stays awake."""
        if self._slowing is None:
            self._slowing = asyncio.get_running_loop().create_task(self._slow())

    def full_speed(self) -> None:
        """Let it run all the time."""
        if self._slowing is not None:
            self._slowing.cancel()
            self._slowing = None
            self.go_on()

    def ask_to_leave(self) -> None:
        """Ask it to hand its unit back and end."""
        self.full_speed()
        self.go_on()
        if self.runs():
            self.process.terminate()

    def state(self) -> dict[str, Any]:
        """Return what the page shows."""
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
