"""`python -m ganns.worker`, the worker process: wait for a database, load the tasks, work, hand back, end."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import time
from contextlib import suppress
from typing import NoReturn

import psycopg

from ganns.db.address import require
from ganns.db.connect import connect
from ganns.db.protocol import require_protocol
from ganns.errors import DatabaseError, GannsError, NoDatabaseAddress
from ganns.queue.app import App
from ganns.queue.events import PID_VARIABLE, report
from ganns.utils.console import print_any_text
from ganns.utils.printable import keep_logs_printable
from ganns.worker import platforms
from ganns.worker.child import UNUSABLE
from ganns.worker.loading import CLASS_APP, load_app, load_tasks
from ganns.worker.process import SPARE_VARIABLE
from ganns.worker.resilient_connector import ResilientConnector
from ganns.worker.resilient_manager import ResilientJobManager, jittered
from ganns.worker.worker import Worker

log = logging.getLogger(__name__)

APP_VARIABLE = "GANNS_APP"
"""The dotted path of an App, like procrastinate's --app; `tasks.app` by default."""
QUEUES_VARIABLE = "GANNS_QUEUES"
"""The queues whose tasks this worker takes, as `a,b`; all by default."""
POLLING_VARIABLE = "GANNS_POLLING"
"""Set to 1 behind a pooler in transaction mode, where LISTEN has no effect: the worker then polls only."""
LEAVE_S = 7.0
PARENT_S = 1.0


def main() -> NoReturn:
    """Run a worker until a signal, then end this process."""
    platforms.adopt_pipe()
    print_any_text()
    keep_logs_printable()
    logging.basicConfig(level=os.environ.get("GANNS_LOG", "WARNING"), format="%(message)s", stream=sys.stdout)
    # We log its errors ourselves, each in one line.
    logging.getLogger("procrastinate").setLevel(logging.CRITICAL)
    if os.environ.get(SPARE_VARIABLE):
        _wait_as_spare()
    loop = platforms.loop_factory()()
    asyncio.set_event_loop(loop)
    code = 0
    try:
        loop.run_until_complete(work())
    except GannsError as error:  # starting again would not help: no address, tasks that cannot be loaded, no device
        report({"event": "unusable", "text": str(error)})
        code = UNUSABLE
    # Not sys.exit: it would wait for the thread of a unit that is already handed back.
    sys.stdout.flush()
    os._exit(code)


def _wait_as_spare() -> None:
    """Load the tasks, then wait until this process replaces another one: a line brings the variables of its name."""
    with suppress(GannsError, OSError, MemoryError):  # the start says it again
        load_tasks(load_app(_app_path()))
    line = sys.stdin.readline()
    if not line:  # the supervisor is gone, or needs no other process any more
        os._exit(0)
    os.environ.update(json.loads(line))


def _app_path() -> str:
    return os.environ.get(APP_VARIABLE) or CLASS_APP


async def work() -> None:
    """Run the worker until a signal.

    Raises:
        GannsError: if its app or its tasks cannot be loaded, its device cannot compute, or it has no address.
    """
    leaving = asyncio.Event()
    platforms.on_leave(asyncio.get_running_loop(), leaving.set)
    watching = asyncio.create_task(_watch_parent(leaving))  # the supervisor may be killed while we load torch
    app = load_app(_app_path())
    connector = ResilientConnector()
    manager = ResilientJobManager(connector, app)
    app.connector, app.job_manager = connector, manager
    ready = asyncio.create_task(_get_ready(app, connector))
    if await _first(ready, leaving):
        return
    polling = os.environ.get(POLLING_VARIABLE) == "1"
    worker = Worker(
        manager,
        connector,
        has_runs=_app_path() == CLASS_APP,
        app=app,
        **app.worker_defaults,
        listen_notify=not polling,
        queues=[name for name in os.environ.get(QUEUES_VARIABLE, "").split(",") if name] or None,
    )
    running = asyncio.create_task(worker.run())  # type: ignore[no-untyped-call]
    if await _first(running, leaving):
        worker.stop()  # type: ignore[no-untyped-call]
        # Do not wait for a registration that waits for the server, nor for an answer that never comes.
        await asyncio.wait({running}, timeout=LEAVE_S if worker.worker_id is not None else 0.0)
    watching.cancel()


async def _watch_parent(leaving: asyncio.Event) -> None:
    """Leave when the supervisor is gone: Ctrl-C would no longer reach this process."""
    number = os.environ.get(PID_VARIABLE, "")
    while number.isdecimal() and not platforms.parent_is_gone(int(number)):
        await asyncio.sleep(PARENT_S)
    if number:
        log.warning("the supervisor is gone: handing back and leaving")
        leaving.set()


async def _first(task: asyncio.Task[None], leaving: asyncio.Event) -> bool:
    """Wait for the task or for the signal to leave; return True after the signal. Raise the task's error, if any."""
    signal = asyncio.create_task(leaving.wait())
    await asyncio.wait({task, signal}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        signal.cancel()
        task.result()
    return leaving.is_set()


async def _get_ready(app: App, connector: ResilientConnector) -> None:
    """Load the tasks' modules, and wait for a database that speaks this program's protocol."""
    loading = asyncio.create_task(asyncio.to_thread(load_tasks, app))  # torch takes seconds
    attempt = 0
    while (reason := await asyncio.to_thread(why_wait)) is not None:
        if loading.done():
            await loading  # a device that cannot compute is said at once, also while the server is away
        report({"event": "waiting", "reason": reason})
        await asyncio.sleep(jittered(attempt))
        attempt += 1
    while not loading.done():
        report({"event": "waiting", "reason": "loading the tasks"})
        await asyncio.wait({loading}, timeout=1.0)
    await loading
    await connector.open_async()


def why_wait() -> str | None:
    """Return the reason to wait: no server, or a schema that is too old; None if both are there.

    Raises:
        ProgramTooOld: if the database speaks this program's protocol no more.
    """
    begun = time.monotonic()
    try:
        with connect(require(), application="ganns worker: start") as conn:
            if (remark := require_protocol(conn)) is not None:
                report({"event": "status", "text": remark})
    except NoDatabaseAddress:
        raise  # an address does not come by waiting
    except (psycopg.Error, DatabaseError) as error:
        log.info("waiting after %.1f s: %s", time.monotonic() - begun, error)
        return " ".join(str(error).split())
    return None


if __name__ == "__main__":
    main()
