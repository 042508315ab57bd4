"""What a hardened worker does beside its jobs: heartbeats, listening, looking for aborts, and looking around.

Each of these is started again when it ends. A heartbeat that arrives is reported to the supervisor; so is one that
does not. The first that arrives after an outage is the moment to put right what got lost in it.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

from procrastinate import worker as stock

from ganns.db.link import cut_suspects
from tasks import hardware
from tasks.abilities import worker_name
from tasks.patience import Patience, brief, is_passing, jittered
from tasks.reporting import report
from tasks.wire import Wire

log = logging.getLogger(__name__)

VIEW_S = 10.0


class Attentive(stock.Worker):
    """procrastinate's worker with side tasks that go on."""

    def __init__(self, manager: Patience, wire: Wire, **options: Any) -> None:
        """Take the options of procrastinate's worker; its signal handlers are ours."""
        super().__init__(**options | {"install_signal_handlers": False})
        self._manager = manager
        manager.on_trouble, wire.on_listening = self._trouble, self._hint
        self._name, self._info = worker_name(), hardware.describe()
        self._troubled = False
        self._beat_now, self._abort_now, self._view_now = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._hints = 0
        self._hold: str | None = None  # why no job is taken

    def _start_side_tasks(self) -> list[asyncio.Task[Any]]:
        wanted: dict[str, Callable[[], Awaitable[None]]] = {
            "heartbeat": self._update_heartbeat,
            "aborts": self._poll_jobs_to_abort,
            "view": self._keep_view,
        }
        if self.listen_notify:
            wanted["listener"] = self._listen
        # No periodic deferrer: in a class every worker would be one.
        return [asyncio.create_task(self._keep(name, one), name=name) for name, one in wanted.items()]

    async def _keep(self, name: str, side_task: Callable[[], Awaitable[None]]) -> None:
        """Start a side task again whenever it ends: stock workers stop, or go deaf, when one does."""
        attempt = 0
        while True:
            begun = time.monotonic()
            try:
                await side_task()
            except Exception as error:
                if not is_passing(error):
                    log.warning("%s: %s; starting it again", name, brief(error))
            attempt = 0 if time.monotonic() - begun > 30 else attempt + 1
            await asyncio.sleep(jittered(attempt))

    async def _listen(self) -> None:
        await self._manager.listen_for_jobs(on_notification=self._handle_notification, queues=self.queues)

    async def _handle_notification(self, *, channel: str, notification: Any) -> None:
        if notification.get("type") == "abort_job_requested":
            self._abort_now.set()
        else:
            self._hint()

    def _hint(self) -> None:
        self._hints += 1
        self._new_job_event.set()

    async def _update_heartbeat(self) -> None:
        attempt = 0
        while True:
            try:
                await self._beat()
                attempt = 0
                pause_s = self.update_heartbeat_interval * random.uniform(0.8, 1.0)
            except Exception as error:
                report({"event": "waiting", "reason": f"the database does not answer: {brief(error)}"})
                self._troubled = True
                pause_s = jittered(attempt)
                attempt += 1
            await _wait(self._beat_now, pause_s if not self._beat_now.is_set() else jittered(0))
            self._beat_now.clear()

    async def _beat(self) -> None:
        assert self.worker_id is not None
        # It also brings back our registration, which is deleted while the lid is closed.
        await self._manager.update_heartbeat(self.worker_id)
        if self._troubled:
            await self._recover()
        report({"event": "heartbeat", "worker": self.worker_id})

    async def _recover(self) -> None:
        """After an outage: nothing may wait for the server that was, and no job may be ours without our knowing."""
        assert self.worker_id is not None
        cut_suspects()
        await self._manager.introduce(self.worker_id, self._name, self._info)
        running = [context.job.id for context in self._running_jobs.values() if context.job.id]
        await self._manager.hand_back(self.worker_id, running)
        self._troubled = False
        self._hint()
        self._abort_now.set()

    def _trouble(self, error: BaseException) -> None:
        """Look at once whether the server is there and still knows us."""
        if not self._troubled:
            log.info("trouble with the database: %s", brief(error))
        # Failing is a sign of life, too: this loop asked, and saw that nobody answered in time.
        report({"event": "waiting", "reason": f"the database does not answer: {brief(error)}"})
        self._troubled = True
        self._beat_now.set()

    async def _poll_jobs_to_abort(self) -> None:
        while True:
            await _wait(self._abort_now, self.abort_job_polling_interval * random.uniform(0.8, 1.0))
            self._abort_now.clear()
            if self._running_jobs:
                self._handle_abort_jobs_requested(await self._manager.list_jobs_to_abort_async())

    async def _keep_view(self) -> None:
        while True:
            await self._look()
            await _wait(self._view_now, VIEW_S * random.uniform(0.8, 1.0))
            self._view_now.clear()

    async def _look(self) -> None:
        """Ask what to show, and whether this program is new enough for what is being trained."""
        view = await self._manager.view(self._name)
        mine, required = hardware.program_version(), str(view["requires"])
        held, self._hold = self._hold, None
        if hardware.is_older(mine, required):
            self._hold = (
                f"this is ganns {mine}, and the run needs {required}: `pip install 'ganns=={required}.*'` (or `git "
                "pull` in a checkout), then start the worker again. It takes no units until then."
            )
        elif held:
            self._hint()
        if self._hold and self._hold != held:
            report({"event": "status", "text": self._hold})
        report({"event": "view", **view, "hold": self._hold})


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return
