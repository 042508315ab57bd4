"""The actions of the failure lab, and the list of those so far."""

from __future__ import annotations

import asyncio
import random
import subprocess
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
from ganns.utils.interpreter import MODULE

MAX_WORKERS = 12
MAX_DELAY_MS = 2000
NO_WORKER = "The lab has no worker for this: start some first."


class Lab:
    """Workers on this machine that can be harmed. The dashboard's event loop uses it, one order at a time."""

    def __init__(self, address: Address) -> None:
        """Prepare; the first order starts workers."""
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
        """Whether the dashboard uses the embedded database of this machine."""
        return self._address.source.startswith("the embedded")

    def state(self) -> dict[str, Any]:
        """Return the state that the page shows."""
        return {
            "workers": [one.state() for one in self.workers],
            "delay_ms": round(1000 * self.proxy.delay_s),
            "harmed": self.num_harmed(),
            "done": list(reversed(self._done)),
        }

    def num_harmed(self) -> dict[str, int]:
        """Return how many workers each harm would take from the class now."""
        num = len(self._living())
        return {"kill": _third(num), "stop": min(1, num), "slow": min(2, num)}

    async def order(self, what: str, number: int) -> str:
        """Do an action; return what was done, as a sentence.

        Args:
            what: "start", "end", or one of `HARMS`.
            number: of workers to start, or milliseconds.

        Raises:
            DashboardError: the action is not possible; the message says why.
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
                f"The lab cannot start {number} workers: it has {there}, and at most {MAX_WORKERS} are allowed. Choose "
                f"from 1 to {MAX_WORKERS - there}."
            )
        if not self._conninfo:
            self._conninfo = await self.proxy.open()
        if self._keeper is None:
            self._keeper = subprocess.Popen(
                [*MODULE, "ganns.dashboard.lab.keeper"],
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
        chosen = random.sample(living, _third(len(living)))
        for one in chosen:
            await asyncio.to_thread(one.processes)  # finds its children while their parent still runs
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
        return f"Continued {_names(chosen)}."

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
        return f"Returned {_names(chosen)} to full speed."

    async def _latency(self, number: int) -> str:
        if not 0 <= number <= MAX_DELAY_MS:
            raise DashboardError(f"A delay of {number} ms is out of range: choose from 0 to {MAX_DELAY_MS}.")
        self.proxy.delay_s = number / 1000
        return f"Set the delay to {number} ms in each direction."

    async def _restart(self, _: int) -> str:
        if not self.can_restart:
            raise DashboardError(
                "This is not the embedded database, so other programs may use it: restart it on its own machine. The "
                "lab restarts only the embedded database, which `ganns dashboard` uses without GANNS_DATABASE_URL."
            )
        await asyncio.to_thread(embedded_server().restart)
        return "Restarted the embedded PostgreSQL."

    async def _end(self, _: int) -> str:
        await self._leave()
        return "Ended all workers of the lab."

    def _living(self) -> list[LabWorker]:
        return [one for one in self.workers if one.runs()]

    def _some(self) -> list[LabWorker]:
        return self._living() or self._none()

    def _none(self) -> NoReturn:
        raise DashboardError(NO_WORKER)

    async def _leave(self) -> None:
        """Ask every worker to return its unit and end; kill those that do not end."""
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
        """End all processes of the lab."""
        async with self._turn:
            await self._leave()
            await self.proxy.close()
            if self._keeper is not None and self._keeper.stdin is not None:
                self._keeper.stdin.close()
                await asyncio.to_thread(self._keeper.wait)
                self._keeper = None


def _third(num: int) -> int:
    return max(1, round(num / 3)) if num else 0


def _names(workers: list[LabWorker]) -> str:
    return ", ".join(one.name for one in workers)
