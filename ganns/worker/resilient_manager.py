"""procrastinate's job manager, for a database that may go away at any moment.

It repeats the calls that must succeed (to register, to end a job). Other calls come again in any case (to fetch, to
send a heartbeat): they may fail. Delays are jittered, so that 200 workers of one lost server do not return at the same
moment, and capped, so that no worker returns late.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

import psycopg
from procrastinate import exceptions, jobs

from ganns.db.connect import explain_refusal
from ganns.db.protocol import refusal_of
from ganns.db.queries import query
from ganns.queue.app import App
from ganns.queue.connection import is_lost
from ganns.queue.events import report
from ganns.queue.manager import JobManager
from ganns.queue.texts import line_of
from ganns.utils.backoff import backoff_s
from ganns.worker.resilient_connector import ResilientConnector, longer_answer

log = logging.getLogger(__name__)
T = TypeVar("T")

UPLOAD_BYTES_PER_S = 50_000.0
"""The slowest link over which a large result arrives: a statement with it may take longer than the others."""
DELAYS_S = (0.2, 3.0)
"""The first and the longest pause: with 5 s for an attempt, a worker reconnects within 8 s of the server's return."""


def jittered(attempt: int) -> float:
    """Return the pause in seconds before attempt number `attempt` + 1."""
    return backoff_s(attempt, *DELAYS_S)


class ResilientJobManager(JobManager):
    """The job manager of the hardened worker."""

    def __init__(self, connector: ResilientConnector, app: App) -> None:
        """Use `connector` for everything."""
        super().__init__(connector, app)
        self._resilient = connector
        self.on_trouble: Callable[[BaseException], None] = lambda error: None

    async def until_done(self, what: str, operation: Callable[[], Awaitable[T]]) -> T:
        """Repeat `operation` while the connection fails; return its value.

        Raises:
            ConnectorException: if the server refuses the statement: a repetition would not help.
        """
        attempt = 0
        while True:
            try:
                return await operation()
            except Exception as error:
                if not is_lost(error):
                    raise
                report({"event": "waiting", "reason": f"{what}: {brief(error)}"})
                self.on_trouble(error)
                await asyncio.sleep(jittered(attempt))
                attempt += 1

    async def _one(self, name: str, /, **arguments: Any) -> dict[str, Any]:
        row: dict[str, Any] = await self._resilient.execute_query_one_async(query(name), **arguments)
        return row

    # Calls that must succeed ------------------------------------------------------------------------------------

    async def register_worker(self) -> int:
        """Register, and repeat it until it succeeds."""
        return await self.until_done("registering", super().register_worker)

    async def _persist(self, name: str, **parameters: Any) -> dict[str, Any]:
        """Store the end of a job, and repeat it until it succeeds: the rescue never takes a live worker's job."""
        size = len(parameters.get("data") or b"") + len(parameters.get("value") or "")
        with longer_answer(size / UPLOAD_BYTES_PER_S):
            return await self.until_done("recording a result", lambda: self._one(name, **parameters))

    # Calls that come again -----------------------------------------------------------------------------

    async def fetch_job(self, queues: Iterable[str] | None, worker_id: int) -> jobs.Job | None:
        """Take the next job; None if there is none or the database does not answer."""
        try:
            return await super().fetch_job(queues=queues, worker_id=worker_id)
        except Exception as error:
            self.on_trouble(error)
            return None

    async def prune_stalled_workers(self, seconds_since_heartbeat: float) -> list[int]:
        """Do nothing: the rescue (`ganns.queue.rescue`) removes silent workers, once for the whole class."""
        return []

    async def hand_back(self, worker_id: int, keep: list[int]) -> int:
        """Hand back the worker's jobs, except those in `keep`; return their number."""
        return int((await self._one("api_hand_back", worker_id=worker_id, keep=keep))["num"])

    async def view(self, name: str) -> dict[str, Any]:
        """Return {num_open, requires, units, images, late}."""
        return await self._one("api_worker_view", name=name)

    async def introduce(self, worker_id: int, name: str, info: dict[str, Any]) -> None:
        """Store the worker's name and its hardware.

        Raises:
            ProgramTooOld: if the database speaks its protocol no more.
        """
        try:
            await self._one("api_register", worker_id=worker_id, name=name, info=info)
        except Exception as error:
            if (refused := refusal_of(error)) is not None:
                raise refused from error
            raise


def brief(error: BaseException) -> str:
    """Return an error in one line: our sentence, where we have one for why a connection was refused."""
    cause = (error.__cause__ or error) if isinstance(error, exceptions.ConnectorException) else error
    text = " ".join(line_of(cause).split())[:300]
    is_refusal = isinstance(cause, psycopg.OperationalError) and cause.sqlstate is None  # an answer has a code
    meaning = explain_refusal(text) if is_refusal else None
    return text if meaning is None else f"{meaning[0]}: {meaning[1]}"


def trouble(error: BaseException) -> str:
    """Return what is wrong in one line: the connection, a refusal or a setting of the server, or a fault of ours."""
    cause = (error.__cause__ or error) if isinstance(error, exceptions.ConnectorException) else error
    code = getattr(cause, "sqlstate", None)
    if code and not code.startswith(("08", "57")):  # 08 and 57: the connection, and a server that ends
        return f"the database refuses: {brief(error)}"
    if is_lost(error):
        return f"the database does not answer: {brief(error)}"
    if code is None and isinstance(cause, (NotImplementedError, psycopg.Error)):
        # psycopg cannot read a date or an interval in the form of another country.
        return f"the server's answer cannot be read, a setting of the server may be the cause: {brief(error)}"
    return f"a fault of this program, please report it: {brief(error)}"
