"""`ganns worker` in the background of a notebook: start it, find it again, restart it, ask it to leave.

A lock tells whether it runs: the worker inherits the lock's open file, and the system releases the lock with the
process. A process number in a file would remain after a kill, and could then be the number of another process.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from ganns.db.address import URL_VARIABLE, Address
from ganns.errors import GannsError
from ganns.queue.machine import worker_name
from ganns.utils.atomic import write_text
from ganns.utils.interpreter import MODULE
from ganns.utils.locks import FileLock

LEAVE_S = 20.0
"""Enough for a normal end: the supervisor ends its worker after 10 s."""
RESTART_S = 3.0


def plain(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables with a log in mind, which is a file: a notebook's kernel sets some that ask for colours."""
    asking = ("FORCE_COLOR", "CLICOLOR_FORCE", "TTY_INTERACTIVE")
    return {name: value for name, value in variables.items() if name not in asking} | {"TTY_COMPATIBLE": "0"}


class BackgroundWorker:
    """The worker of this machine's notebooks: one for all of them."""

    def __init__(self, folder: Path, address: Address, name: str) -> None:
        """Keep its log and its lock in `folder`. Without a name it takes that of a running worker, or a new one."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._address = folder, address
        self._about, self._log = folder / "worker.json", folder / "worker.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        running = str(self._read_about().get("name") or "") if not name and self.is_running() else ""
        self.name = name or running or worker_name()

    def start(self) -> str:
        """Find the worker that runs already, or start one; return a sentence about it.

        A worker with another address or name is asked to leave first.

        Raises:
            GannsError: on Windows, which has no such locks.
        """
        if sys.platform == "win32":
            raise GannsError("Joining from a notebook needs Linux or macOS: type `ganns worker` in a terminal instead.")
        if self.is_running():
            about = self._read_about()
            if (about.get("address"), about.get("name")) == (str(self._address), self.name):
                return f"found your worker {self.name}, which goes on"
            self.leave()
        self._launch()
        return f"started your worker {self.name}"

    def keep(self) -> None:
        """Start the worker again if it has ended, but wait a few seconds between two starts."""
        if not self.is_running() and time.monotonic() - self._started_at > RESTART_S:
            self._launch()

    def is_running(self) -> bool:
        """Return True if a worker runs, whichever notebook started it."""
        if self._process is not None:
            self._process.poll()  # otherwise it stays a zombie
        lock = self._new_lock()
        is_free = lock.try_take()
        lock.release()
        return not is_free

    @property
    def pid(self) -> int | None:
        """The process number of the running worker; None if there is none."""
        pid = self._read_about().get("pid")
        return pid if isinstance(pid, int) and self.is_running() else None

    def leave(self, wait_s: float = LEAVE_S) -> str:
        """Ask the worker to hand back its unit and leave; return its last words."""
        pid = self.pid
        if pid is None:
            return "there is no worker any more"
        try:
            self._signal(pid, signal.SIGINT)
            until = time.monotonic() + wait_s
            while self.is_running() and time.monotonic() < until:
                time.sleep(0.1)
        finally:  # also when the user interrupts again
            if self.is_running():
                self._signal(pid, getattr(signal, "SIGKILL", signal.SIGTERM))
        return self._last_words()

    def last_line(self) -> str:
        """Return the last line of the worker's log."""
        return next(reversed(self._lines()), "starting")

    # ---------------------------------------------------------------------------------------------- details

    def _new_lock(self) -> FileLock:
        """Return the lock as an object for one use: another thread that uses this worker has its own."""
        return FileLock(self._folder / "worker.lock")

    def _launch(self) -> None:
        lock = self._new_lock()
        if not lock.try_take():
            lock.release()
            return  # another notebook was faster
        self._started_at = time.monotonic()
        variables = {"PYTHONUNBUFFERED": "1"} | (
            {URL_VARIABLE: self._address.conninfo} if self._address.conninfo else {}
        )
        try:
            with self._log.open("wb") as log:
                self._process = subprocess.Popen(
                    [*MODULE, "ganns", "worker", "--name", self.name],
                    cwd=self._folder,  # not the notebook's folder, where a file tasks.py would replace ours
                    env=plain(os.environ) | variables,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,  # the end of the kernel does not end it
                    pass_fds=(lock.fileno(),),
                )
            about = {"pid": self._process.pid, "address": str(self._address), "name": self.name}
            write_text(self._about, json.dumps(about))  # no password in it
        finally:
            lock.release()  # our copy; the worker's copy holds the lock

    def _read_about(self) -> dict[str, object]:
        with suppress(OSError, ValueError):
            found = json.loads(self._about.read_text())
            if isinstance(found, dict):
                return found
        return {}

    def _signal(self, pid: int, number: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, number)

    def _lines(self) -> list[str]:
        with suppress(OSError):
            lines = self._log.read_text("utf-8", "replace").splitlines()
            return [line for line in lines if line.strip()]
        return []

    def _last_words(self) -> str:
        """Return the log's line about the units that were handed back."""
        return next((line for line in reversed(self._lines()) if "handed back" in line), "your worker has left")
