"""Workers for the tests of the task framework: in this process, until the queue is empty; or by hand, call by call."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from ganns.db.address import Address
from ganns.db.connect import Connection, connect
from ganns.db.queries import execute
from ganns.queue.commands import queued
from tests.queue.sample_tasks import app


async def _work(queues: list[str] | None) -> None:
    async with app.open_async():
        await app.run_worker_async(wait=False, install_signal_handlers=False, listen_notify=False, queues=queues)


@pytest.fixture
def work(conn: Connection) -> Callable[..., None]:
    """Return a function that runs a worker in this process until nothing that is due is left."""

    def until_empty(*, queues: list[str] | None = None, rounds: int = 1) -> None:
        for _ in range(rounds):
            asyncio.run(_work(queues))

    return until_empty


@pytest.fixture
def drained(conn: Connection, work: Callable[..., None]) -> Callable[[], None]:
    """Return a function that works until no job waits at all, delayed ones included."""

    def until_done() -> None:
        while queued(conn):
            work()

    return until_done


@dataclass
class Hand:
    """A worker on a connection of its own, doing call by call what the job manager does."""

    conn: Connection
    id: int
    name: str = "hand"

    def fetch(self, queues: list[str] | None = None) -> dict[str, Any] | None:
        """Take the next job; None if there is none."""
        row = execute(self.conn, "tasks_fetch", queues=queues, worker_id=self.id).fetchone()
        return row | {"args": json.loads(row["args"])} if row and row["id"] is not None else None

    def finish(self, job: dict[str, Any], value: str | None = "null", error: str | None = None) -> bool:
        """End it with a result, or with an error."""
        row = execute(
            self.conn,
            "tasks_finish",
            job_id=job["id"],
            attempt=job["attempts"],
            status="failed" if error else "succeeded",
            delete=False,
            state="FAILURE" if error else "SUCCESS",
            value=None if error else value,
            data=None,
            error=error,
            traceback=error,
            keep=True,
            keep_s=60.0,
        ).fetchone()
        return bool(row and row["finished"])

    def retry(self, job: dict[str, Any]) -> bool:
        """Queue it again at once."""
        row = execute(
            self.conn,
            "tasks_retry",
            job_id=job["id"],
            attempt=job["attempts"],
            delay_s=0.0,
            at=None,
            counts=True,
            traceback="an error",
            priority=None,
            queue=None,
            lock=None,
        ).fetchone()
        return bool(row and row["retried"])

    def fall_silent(self) -> None:
        """Make the last heartbeat a minute old, as after a kill or with a closed lid."""
        self.conn.execute(
            "UPDATE procrastinate.procrastinate_workers SET last_heartbeat = now() - interval '1 minute' WHERE id = %s",
            [self.id],
        )


@pytest.fixture
def hands(database: Address) -> Iterator[Callable[[], Hand]]:
    """Return a function that makes workers by hand."""
    connections = []

    def make() -> Hand:
        conn = connect(database)
        connections.append(conn)
        row = conn.execute("SELECT worker_id FROM procrastinate_register_worker_v1()").fetchone()
        assert row is not None
        return Hand(conn, row[0])

    yield make
    for conn in connections:
        conn.close()
