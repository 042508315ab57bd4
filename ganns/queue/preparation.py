"""Preparation: the work for which no job should wait, done before a worker takes the first job that needs it.

A task names it: `@task(prepare=function)`. While the function runs on a thread, the worker takes jobs of other tasks,
or with another first argument, and none that it prepares for (`ganns_api.task_fetch`). A newcomer that draws the
images of a run for a minute holds no unit of it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ganns.db.queries import query
from ganns.queue.connection import is_lost
from ganns.queue.events import report
from ganns.queue.options import RetryPolicy, TaskOptions
from ganns.queue.texts import line_of

log = logging.getLogger(__name__)

Say = Callable[[str], None]
"""Tells people how far a preparation is."""
ROWS = Callable[..., Awaitable[list[dict[str, Any]]]]

LOOK_EVERY_S = 0.5
TELL_EVERY_S = 1.0
PAUSES = RetryPolicy(backoff_s=1.0, backoff_max_s=30.0)


class Preparer:
    """One preparation at a time, on a thread of its own; it tells the supervisor and the database how far it is."""

    def __init__(self, rows: ROWS) -> None:
        """Do nothing yet; `rows(query, **parameters)` runs a statement."""
        self._rows = rows
        self._tasks: dict[str, TaskOptions] = {}
        self._looked_at = 0.0
        self.running: asyncio.Task[None] | None = None
        self.on_ready: Callable[[], object] = lambda: None

    def rules(self, tasks: Mapping[str, Any]) -> dict[str, str]:
        """Keep the tasks that need a preparation; return the argument that each one is prepared for."""
        options = {name: getattr(task.func, "task", None) for name, task in tasks.items()}
        self._tasks = {name: one for name, one in options.items() if one is not None and one.prepare is not None}
        return {name: next(iter(one.parameters.parameters)) for name, one in self._tasks.items()}

    async def look(self, worker_id: int, queues: list[str] | None) -> None:
        """Start a preparation if a job waits for one, and none runs."""
        now = time.monotonic()
        if not self._tasks or self.running is not None or now - self._looked_at < LOOK_EVERY_S:
            return
        self._looked_at = now
        for row in await self._rows(query("tasks_to_prepare"), worker_id=worker_id, queues=queues):
            self.running = asyncio.create_task(self._prepare(worker_id, row["task_name"], row["args"]))

    async def _prepare(self, worker_id: int, task_name: str, args: dict[str, Any]) -> None:
        """Prepare until it succeeds; then the worker may take these jobs."""
        attempt, text = 0, "preparing"

        async def tell(ready: bool) -> None:
            known = {"worker_id": worker_id, "task_name": task_name, "args": json.dumps(args)}
            await self._rows(query("tasks_prepare"), **known, text=None if ready else text)

        try:
            while True:
                said = _Said(task_name)
                job = asyncio.ensure_future(_on_thread(self._tasks[task_name], next(iter(args.values())), said))
                while not job.done():
                    text = said.text
                    await self._quietly(tell(False))
                    await asyncio.wait({job}, timeout=TELL_EVERY_S)
                if (error := job.exception()) is None:
                    break
                pause_s = PAUSES.delay_s(attempt)
                text, attempt = f"{said.text}: {line_of(error)}; trying again", attempt + 1
                log.warning("%s", text)
                said(text)
                await self._quietly(tell(False))
                await asyncio.sleep(pause_s)
            attempt = 0
            while not await self._quietly(tell(True)):
                attempt += 1
                await asyncio.sleep(PAUSES.delay_s(attempt))
        finally:
            report({"event": "preparing", "text": ""})
            self.running, self._looked_at = None, 0.0
        self.on_ready()

    async def _quietly(self, telling: Awaitable[None]) -> bool:
        """Tell the database; return False if it is away: a preparation goes on without it."""
        try:
            await telling
        except Exception as error:
            if not is_lost(error):
                raise
            return False
        return True


class _Said:
    """The last text of a preparation, which its thread may change at any time."""

    def __init__(self, task_name: str) -> None:
        self.text = f"preparing {task_name}"
        self._at = 0.0

    def __call__(self, text: str) -> None:
        """Keep the text, and tell the supervisor twice a second."""
        self.text = text
        if time.monotonic() - self._at > 0.5:
            self._at = time.monotonic()
            report({"event": "preparing", "text": text})


async def _on_thread(task: TaskOptions, value: Any, say: Say) -> None:
    """Run the task's preparation on a daemon thread: one that takes minutes must not delay the end of the process."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def end(error: Exception | None) -> None:
        if done.done():
            return
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)

    def prepare() -> None:
        error = None
        try:
            assert task.prepare is not None
            task.prepare(value, say)
        except Exception as found:
            error = found
        if not loop.is_closed():
            loop.call_soon_threadsafe(end, error)

    threading.Thread(target=prepare, name="prepare", daemon=True).start()
    await done
