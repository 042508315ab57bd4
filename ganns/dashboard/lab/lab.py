"""What can be done in the lab, and what was done."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import time
from collections import deque
from contextlib import suppress
from typing import Any, NoReturn

import psutil

from ganns import paths
from ganns.dashboard.lab.harms import HARMS
from ganns.dashboard.lab.keeper import end
from ganns.dashboard.lab.proxy import Proxy
from ganns.dashboard.lab.worker import LabWorker
from ganns.db.address import Address
from ganns.db.server.embedded import embedded_server
from ganns.errors import DashboardError

MAX_WORKERS = 12
MAX_DELAY_MS = 2000
NOTHING = "The lab has no worker that this could be done to: start some first."


class Lab:
    """Workers of this machine, to be harmed. Used by the dashboard's event loop, one order at a time."""

    def __init__(self, address: Address) -> None:
        """Start nothing yet."""
        self._address = address
        self.workers: list[LabWorker] = []
        self.proxy = Proxy(address)
        self._conninfo = ""
        self._number = 0
        self._keeper: subprocess.Popen[str] | None = None
        self._done: deque[dict[str, Any]] = deque(maxlen=20)
        self._turn = asyncio.Lock()

    @property
    def can_restart(self) -> bool:
        """Whether the database is the embedded one of this machine, which the dashboard uses as such."""
        return self._address.source.startswith("the embedded")

    def state(self) -> dict[str, Any]:
        """Return what the page shows."""
        return {
            "workers": [one.state() for one in self.workers],
            "delay_ms": round(1000 * self.proxy.delay_s),
            "done": list(reversed(self._done)),
        }

    async def order(self, what: str, number: int) -> str:
        """Do something; return what was done.

        Args:
            what: "start", "end", or one of `HARMS`.
            number: of workers to start, or of milliseconds.

        Raises:
            DashboardError: that cannot be done, and why.
        """
        async with self._turn:
            said = await getattr(self, f"_{what}")(number)
            harm = HARMS.get(what)
            self._done.append(
                {
                    "at": time.time(),
                    "what": said,
                    "then": harm.then if harm else "",
                    "tests": harm.tests if harm else (),
                }
            )
            return str(said)

    async def _start(self, number: int) -> str:
        there = len(self._living())
        if not 1 <= number <= MAX_WORKERS - there:
            raise DashboardError(
                f"{number} workers cannot be started: {there} are there, and {MAX_WORKERS} are the most. Choose from 1 "
                f"to {MAX_WORKERS - there}."
            )
        if not self._conninfo:
            self._conninfo = await self.proxy.open()
        if self._keeper is None:
            self._keeper = subprocess.Popen(
                [sys.executable, "-m", "ganns.dashboard.lab.keeper"],
                stdin=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        folder = paths.home() / "lab"
        folder.mkdir(parents=True, exist_ok=True)
        self.workers = self._living()
        names = []
        for _ in range(number):
            self._number += 1
            worker = LabWorker(f"lab-{self._number}", self._conninfo, folder / f"lab-{self._number}.log")
            self.workers.append(worker)
            names.append(worker.name)
            if self._keeper.stdin is not None:
                print(worker.process.pid, file=self._keeper.stdin, flush=True)
        return f"Started {', '.join(names)}."

    async def _kill(self, _: int) -> str:
        living = self._some()
        chosen = random.sample(living, max(1, round(len(living) / 3)))
        for one in chosen:
            await asyncio.to_thread(one.processes)  # remembers its children before their parent is gone
            one.kill()
        return f"Killed {_names(chosen)}."

    async def _stop(self, _: int) -> str:
        chosen = random.choice([one for one in self._some() if not one.stopped] or self._none())
        chosen.stop()
        return f"Stopped {chosen.name}."

    async def _continue(self, _: int) -> str:
        chosen = [one for one in self._living() if one.stopped]
        if not chosen:
            raise DashboardError("No worker of the lab is stopped: stop one first.")
        for one in chosen:
            one.go_on()
        return f"{_names(chosen)} goes on."

    async def _slow(self, _: int) -> str:
        chosen = [one for one in self._some() if not one.stopped and not one.is_slow][:2] or self._none()
        for one in chosen:
            one.slow_down()
        return f"Slowed {_names(chosen)} down."

    async def _fast(self, _: int) -> str:
        chosen = [one for one in self._living() if one.is_slow]
        if not chosen:
            raise DashboardError("No worker of the lab is slow: slow two down first.")
        for one in chosen:
            one.full_speed()
        return f"{_names(chosen)} at full speed."

    async def _latency(self, number: int) -> str:
        if not 0 <= number <= MAX_DELAY_MS:
            raise DashboardError(f"A delay of {number} ms is out of range: choose from 0 to {MAX_DELAY_MS}.")
        self.proxy.delay_s = number / 1000
        return f"A delay of {number} ms in each direction."

    async def _restart(self, _: int) -> str:
        if not self.can_restart:
            raise DashboardError(
                "This database is not the embedded one, and others may use it: restart it where it runs. The lab "
                "restarts one that `ganns dashboard` uses without GANNS_DATABASE_URL."
            )
        await asyncio.to_thread(embedded_server().restart)
        return "Restarted the embedded PostgreSQL."

    async def _end(self, _: int) -> str:
        await self._leave()
        return "All workers of the lab were asked to leave, and are gone."

    def _living(self) -> list[LabWorker]:
        return [one for one in self.workers if one.runs()]

    def _some(self) -> list[LabWorker]:
        return self._living() or self._none()

    def _none(self) -> NoReturn:
        raise DashboardError(NOTHING)

    async def _leave(self) -> None:
        """Let every worker hand back what it holds, through the proxy, and end; kill those that do not."""
        for one in self.workers:
            one.full_speed()
        roots = []
        for one in self._living():
            with suppress(psutil.NoSuchProcess):
                roots.append(psutil.Process(one.process.pid))
        await asyncio.to_thread(end, roots)
        for one in self.workers:
            with suppress(subprocess.TimeoutExpired):
                one.process.wait(1)

    async def close(self) -> None:
        """End everything that was started here."""
        async with self._turn:
            await self._leave()
            await self.proxy.close()
            if self._keeper is not None and self._keeper.stdin is not None:
                self._keeper.stdin.close()
                await asyncio.to_thread(self._keeper.wait)
                self._keeper = None


def _names(workers: list[LabWorker]) -> str:
    return ", ".join(one.name for one in workers)
