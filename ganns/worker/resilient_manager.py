"""procrastinate's job manager, for a database that may go away at any moment.

What must happen (registering, ending a job) is tried until it has happened; what comes again anyway (fetching,
the next heartbeat) fails quietly and is left to the next time. Delays are jittered, so that 200 workers which
lost one server do not return in step, and capped, so that none comes back late.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from procrastinate import exceptions, jobs

from ganns.db.queries import query
from ganns.queue.events import report
from ganns.queue.manager import JobManager
from ganns.utils.backoff import backoff_s
from ganns.worker.resilient_connector import ResilientConnector

if TYPE_CHECKING:
    from ganns.queue.app import App

log = logging.getLogger(__name__)
T = TypeVar("T")

DELAYS_S = (0.2, 3.0)
"""Before a second attempt, and the longest. With the 5 s that an attempt may take, 8 s after a server is back."""


def jittered(attempt: int) -> float:
    """Return the pause in seconds before attempt number `attempt` + 1."""
    return backoff_s(attempt, *DELAYS_S)


def is_passing(error: BaseException) -> bool:
    """Tell whether it is the connection, not the statement, that failed."""
    cause = error.__cause__ if isinstance(error, exceptions.ConnectorException) else error
    return isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError | OSError)


class ResilientJobManager(JobManager):
    """The job manager of the hardened worker."""

    def __init__(self, connector: ResilientConnector, app: App) -> None:
        """Use `connector` for everything."""
        super().__init__(connector, app)
        self._resilient = connector
        self.on_trouble: Callable[[BaseException], None] = lambda error: None

    async def until_done(self, what: str, operation: Callable[[], Awaitable[T]]) -> T:
        """Try `operation` until no connection fails; return what it returns.

        Raises:
            ConnectorException: if the server itself refuses it: trying again would not help.
        """
        attempt = 0
        while True:
            try:
                return await operation()
            except Exception as error:
                if not is_passing(error):
                    raise
                report({"event": "waiting", "reason": f"{what}: {brief(error)}"})
                self.on_trouble(error)
                await asyncio.sleep(jittered(attempt))
                attempt += 1

    async def _one(self, name: str, /, **arguments: Any) -> dict[str, Any]:
        row: dict[str, Any] = await self._resilient.execute_query_one_async(query(name), **arguments)
        return row

    # What must happen ------------------------------------------------------------------------------------

    async def register_worker(self) -> int:
        """Register, however long it takes."""
        return await self.until_done("registering", super().register_worker)

    async def _persist(self, name: str, **parameters: Any) -> dict[str, Any]:
        """Record the end of a job, however long it takes: a live worker's job is rescued by nobody."""
        return await self.until_done("recording a result", lambda: self._one(name, **parameters))

    async def retry_job(self, job: jobs.Job, *arguments: Any, **named: Any) -> None:
        """Queue a job again; one that the database refuses to queue fails instead."""
        try:
            await super().retry_job(job, *arguments, **named)
        except exceptions.ConnectorException as error:
            # Such as another job with its queueing_lock. Left `doing` by a live worker it would never end.
            log.error("job %s cannot be queued again: %s", job.id, brief(error))
            await self.finish_job(job, jobs.Status.FAILED, delete_job=False)

    # What comes again anyway -----------------------------------------------------------------------------

    async def fetch_job(self, queues: Iterable[str] | None, worker_id: int) -> jobs.Job | None:
        """Take the next job; None also if the database could not be asked."""
        try:
            return await super().fetch_job(queues=queues, worker_id=worker_id)
        except Exception as error:
            self.on_trouble(error)
            return None

    async def prune_stalled_workers(self, seconds_since_heartbeat: float) -> list[int]:
        """Leave it to the rescue (ganns.queue.rescue), which runs once for all: a starting worker prunes nobody."""
        return []

    async def hand_back(self, worker_id: int, keep: list[int]) -> int:
        """Give back what we hold except the jobs in `keep`; return how many."""
        return int((await self._one("api_hand_back", worker_id=worker_id, keep=keep))["num"])

    async def view(self, name: str) -> dict[str, Any]:
        """Return {num_open, requires, units, images, late}."""
        return await self._one("api_worker_view", name=name)

    async def introduce(self, worker_id: int, name: str, info: dict[str, Any]) -> None:
        """Say who we are, and on what hardware."""
        await self._one("api_register", worker_id=worker_id, name=name, info=info)


def brief(error: BaseException) -> str:
    """Return an error in one line."""
    cause = (error.__cause__ or error) if isinstance(error, exceptions.ConnectorException) else error
    return " ".join(f"{type(cause).__name__}: {cause}".split())[:300]
