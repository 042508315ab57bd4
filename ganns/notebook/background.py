"""`ganns worker` in the background of a notebook: one a machine, found again, started again, asked to leave.

Whether it runs is told by a lock, not by a number in a file, which would outlive a kill and name somebody else's
process: the worker inherits the open file, and the system drops the lock with the process.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from ganns.db.address import URL_VARIABLE, Address
from ganns.errors import GannsError
from ganns.queue.machine import worker_name

if sys.platform != "win32":
    import fcntl

LEAVE_S = 20.0
"""It hands back and leaves within 10 s, or its supervisor ends it."""
RESTART_S = 3.0


class BackgroundWorker:
    """The worker of this machine's notebooks."""

    def __init__(self, folder: Path, address: Address, name: str) -> None:
        """Describe it; its log and its lock lie in `folder`. Without a name it is the one that runs, else a new one."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._address = folder, address
        self._lock, self._about, self._log = folder / "worker.lock", folder / "worker.json", folder / "worker.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        running = str(self._read_about().get("name") or "") if not name and self.is_running() else ""
        self.name = name or running or worker_name()

    def start(self) -> str:
        """Find the worker that runs already, or start one; return what happened in words.

        One with another address or name is asked to leave first: this is what its user wants now.

        Raises:
            GannsError: on Windows, where there are no such locks.
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
        """Start the worker again if it has ended, though not all the time."""
        if not self.is_running() and time.monotonic() - self._started_at > RESTART_S:
            self._launch()

    def is_running(self) -> bool:
        """Tell whether there is one, whoever started it."""
        if self._process is not None:
            self._process.poll()  # else it stays a zombie
        lock = self._take_lock()
        if lock is not None:
            os.close(lock)
        return lock is None

    @property
    def pid(self) -> int | None:
        """The number of the process; None if there is none."""
        pid = self._read_about().get("pid")
        return pid if isinstance(pid, int) and self.is_running() else None

    def leave(self, wait_s: float = LEAVE_S) -> str:
        """Ask the worker to hand its unit back, wait until it is gone, and return what it said last."""
        pid = self.pid
        if pid is None:
            return "there is no worker any more"
        try:
            self._signal(pid, signal.SIGINT)
            until = time.monotonic() + wait_s
            while self.is_running() and time.monotonic() < until:
                time.sleep(0.1)
        finally:  # an impatient person interrupts again
            if self.is_running():
                self._signal(pid, getattr(signal, "SIGKILL", signal.SIGTERM))
        return self._goodbye()

    def last_line(self) -> str:
        """Return what it said last."""
        return next(reversed(self._lines()), "starting")

    # ---------------------------------------------------------------------------------------------- details

    def _launch(self) -> None:
        lock = self._take_lock()
        if lock is None:
            return  # another notebook was faster
        self._started_at = time.monotonic()
        variables = {"PYTHONUNBUFFERED": "1"} | (
            {URL_VARIABLE: self._address.conninfo} if self._address.conninfo else {}
        )
        try:
            with self._log.open("wb") as log:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "ganns", "worker", "--name", self.name],
                    cwd=self._folder,  # a tasks.py beside the notebook is not ours
                    env=os.environ | variables,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,  # who ends the kernel does not end it
                    pass_fds=(lock,),
                )
            about = {"pid": self._process.pid, "address": str(self._address), "name": self.name}
            self._about.write_text(json.dumps(about))  # no password in it
        finally:
            os.close(lock)  # ours: the worker's own keeps it

    def _take_lock(self) -> int | None:
        """Return the lock as an open file, or None if a worker has it."""
        lock = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if sys.platform != "win32":
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return None
        return lock

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

    def _goodbye(self) -> str:
        """Return the line that says what was handed back."""
        return next((line for line in reversed(self._lines()) if "handed back" in line), "your worker has left")
