"""A server whose defaults are those of another country, or that isolates transactions more than we need."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ganns.db.address import Address
from ganns.db.connect import Connection, connect
from ganns.queue.connection import Connector
from ganns.worker.resilient_connector import ResilientConnector
from tests.queue import sample_tasks as sample
from tests.worker import sample_app
from tests.worker.classroom import WorkerProcess

DEFAULTS = {"datestyle": "SQL, DMY", "intervalstyle": "iso_8601", "default_transaction_isolation": "serializable"}
STATEMENT = "SELECT now() AS at, interval '1 day 2 hours' AS span, 'Zo\u00eb \u5f20' AS name, "
STATEMENT += "current_setting('transaction_isolation') AS isolation"


@pytest.fixture
def foreign(database: Address, conn: Connection, monkeypatch: pytest.MonkeyPatch) -> Address:
    for name, value in DEFAULTS.items():
        conn.execute(f"ALTER DATABASE \"{conn.info.dbname}\" SET {name} = '{value}'")
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    monkeypatch.setenv("GANNS_DATABASE_URL", database.conninfo)
    return database


def check(at: Any, span: Any, name: str, isolation: str) -> None:
    assert isinstance(at, datetime)
    assert span == timedelta(days=1, hours=2)
    assert name == "Zo\u00eb \u5f20"
    assert isolation == "read committed"


def test_a_command(foreign: Address) -> None:
    for autocommit in (True, False):
        with connect(foreign, autocommit=autocommit) as conn:
            assert conn.autocommit == autocommit
            row = conn.execute(STATEMENT).fetchone()
            assert row is not None
            check(*row)


@pytest.mark.parametrize("kind", [Connector, ResilientConnector])
def test_a_worker(kind: type, foreign: Address) -> None:
    async def ask() -> dict[str, Any]:
        connector = kind()
        await connector.open_async()
        try:
            return await connector.execute_query_one_async(STATEMENT)
        finally:
            await connector.close_async()

    check(**asyncio.run(ask()))


@pytest.mark.slow
def test_a_delayed_job_of_our_worker_ends(foreign: Address, conn: Connection, tmp_path: Path) -> None:
    """A real process of `ganns worker`; the job that fails once is delayed by the worker itself."""
    worker = WorkerProcess(foreign, tmp_path, "w", "tests.worker.sample_app.app")
    try:
        later = sample_app.pid.apply_async(countdown=0.5)
        again = sample_app.once_more.delay()
        assert isinstance(later.get(timeout=60), int)
        assert again.get(timeout=60) == 1
    finally:
        worker.end()
    assert "does not answer" not in worker.log
    assert conn.execute("SELECT FROM procrastinate.procrastinate_jobs WHERE status = 'doing'").rowcount == 0


def test_a_delayed_job_ends(foreign: Address, conn: Connection, drained: Callable[[], None]) -> None:
    """A stock worker ended at the first delayed job, which stayed `doing`."""
    later = sample.add.apply_async((1, 2), countdown=0.5)
    drained()
    assert later.get(timeout=10) == 3
    assert conn.execute("SELECT FROM procrastinate.procrastinate_jobs WHERE status = 'doing'").rowcount == 0
