"""What the job manager does for a worker: `terminate` reaches the supervisor, and hints are hints."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import importlib.resources
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ganns.db.address import Address
from ganns.db.connect import Connection
from ganns.errors import BadArguments, SoftTimeLimitExceeded, TaskFailed
from ganns.queue.arguments import pack, parameters, to_json, unpack
from ganns.queue.runner import soft_time_limit
from tests.queue import sample_tasks as sample
from tests.support import warm
from tests.support.helpers import ROOT, wait_until


def test_terminate_is_reported_to_the_supervisor(database: Address, tmp_path: Path) -> None:
    """The supervisor's side, the killing, has its tests in tests/worker."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    environment = os.environ | {"GANNS_DATABASE_URL": database.conninfo, "GANNS_SUPERVISOR_FD": str(writing)}
    command = [sys.executable, "-m", "procrastinate", "--app=tests.queue.sample_tasks.app", "worker"]
    with (tmp_path / "log").open("wb") as log:
        process = warm.start(
            command, env=environment, stdout=log, stderr=log, pass_fds=[writing], start_new_session=True
        )
    os.close(writing)
    text = b""

    def heard(event: dict[str, object]) -> bool:
        nonlocal text
        with contextlib.suppress(BlockingIOError):
            text += os.read(reading, 65536)
        return event in [json.loads(line) for line in text.splitlines() if line.endswith(b"}")]

    try:
        result = sample.wait_for_file.delay(str(tmp_path / "go"))
        started = {"event": "started", "job": result.job_id, "attempt": 0, "time_limit": None}
        wait_until(lambda: heard(started), what="the start to be reported")
        result.revoke(terminate=True)
        wait_until(lambda: heard({"event": "terminate", "job": result.job_id}), what="terminate to be reported")
        wait_until(lambda: heard({"event": "finished", "job": result.job_id}), what="the end to be reported")
    finally:
        process.kill()
        process.wait()
        os.close(reading)


def test_a_notification_that_cannot_be_read_is_passed_over(conn: Connection) -> None:
    """Any login can send one; the stock listener dies of it, and with it the worker."""
    seen = []

    async def listen() -> None:
        async def note(*, channel: str, notification: dict) -> None:
            seen.append(notification)

        async with sample.app.open_async():
            listener = asyncio.create_task(sample.app.job_manager.listen_for_jobs(on_notification=note))
            for _ in range(1000):
                for payload in ("garbage", "[1]", '{"type": "job_inserted"}', '{"type": "job_inserted", "job_id": 7}'):
                    conn.execute("SELECT pg_notify('procrastinate_any_queue_v1', %s)", [payload])
                await asyncio.sleep(0.01)
                if seen or listener.done():
                    break
            assert not listener.done()
            listener.cancel()
            with pytest.raises(asyncio.CancelledError):
                await listener

    asyncio.run(listen())
    assert seen[0] == {"type": "job_inserted", "job_id": 7}


def test_procrastinate_fetches_as_it_did_when_we_copied_it() -> None:
    """`ganns_api.task_fetch` has procrastinate_fetch_job_v2's conditions and more: look at both when this fails."""
    schema = importlib.resources.files("procrastinate").joinpath("sql", "schema.sql").read_text("utf-8")
    [function] = re.findall(r"CREATE FUNCTION procrastinate_fetch_job_v2\(.*?\$\$;", schema, re.DOTALL)
    assert hashlib.sha256(function.encode()).hexdigest()[:16] == "a6170a2fbaa231b5"


def test_importing_the_framework_loads_no_task_and_no_torch() -> None:
    modules = "tasks, " + ", ".join(
        f"ganns.queue.{name}" for name in ("canvas", "decorator", "rescue", "commands", "results")
    )
    code = f"import sys, {modules}; print([m for m in ('torch', 'tasks.gradient', 'ganns.config') if m in sys.modules])"
    output = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert output.stdout.strip() == "[]"


def test_packing_and_unpacking_are_inverse() -> None:
    def function(a, /, b, c=3, *more, d, **rest):  # type: ignore[no-untyped-def]
        return a, b, c, more, d, rest

    signature = parameters(function, bound=False)
    for args, kwargs in [((1, 2), {"d": 4}), ((1, 2, 3, 4, 5), {"d": 6, "e": 7}), ((1,), {"b": 2, "d": 3, "a": 9})]:
        packed, into = pack("f", signature, args, kwargs)
        assert into is None
        again_args, again_kwargs = unpack(signature, json.loads(json.dumps(packed)))
        assert function(*again_args, **again_kwargs) == function(*args, **kwargs)


def test_a_soft_limit_that_was_not_reached_leaves_no_trace() -> None:
    for _ in range(200):  # in the block it may come, on a busy machine; after the block it may not
        with contextlib.suppress(SoftTimeLimitExceeded), soft_time_limit(0.0005):
            pass
    assert sum(range(100_000)) == 4999950000


@pytest.mark.parametrize("text", ["\\u0000", "a\\", "\U0001f600", "\x7f", "\x01"])
def test_any_text_travels(text: str, conn: Connection) -> None:
    assert conn.execute("SELECT %s::jsonb", [to_json(text, "It")]).fetchone() == (text,)


@pytest.mark.parametrize("text", ["\0", "a\\\0", "\ud800", {"\0": 1}])
def test_what_postgresql_cannot_store_is_refused_here(text: object) -> None:
    with pytest.raises(BadArguments):
        to_json(text, "It")


def test_a_result_that_the_server_refuses_is_a_failure(conn: Connection, work: Callable[..., None]) -> None:
    """Else a live worker would hold its job for ever."""
    conn.execute("ALTER TABLE ganns.task_results ADD CHECK (value <> '13')")
    result = sample.add.delay(6, 7)
    work()
    with pytest.raises(TaskFailed, match="ResultRefused"):
        result.get(timeout=60)


def test_a_connection_that_the_server_closed_is_replaced(conn: Connection) -> None:
    """As after a restart of the server: the pool finds it out without asking before every statement."""

    async def use() -> None:
        async with sample.app.open_async():
            connector = sample.app.connector
            for _ in range(3):
                own = "SELECT pg_backend_pid() AS pid"
                pid = (await connector.execute_query_one_async(own))["pid"]
                assert conn.execute("SELECT pg_terminate_backend(%s, 10000)", [pid]).fetchone() == (True,)
                assert (await connector.execute_query_one_async(own))["pid"] != pid

    asyncio.run(use())
