"""The apps of the benchmarks: procrastinate alone, and ours."""

from __future__ import annotations

import os
import time

import procrastinate

from ganns.queue.app import App
from ganns.queue.decorator import task
from ganns.queue.runner import Context

bare = procrastinate.App(
    connector=procrastinate.PsycopgConnector(conninfo=os.environ.get("GANNS_DATABASE_URL", "")),
    import_paths=["benchmarks.queue_app"],
)
ours = App(import_paths=["benchmarks.queue_app"])


@bare.task(name="bare_noop", queue="bare")
def bare_noop(n: int) -> None:
    """Do nothing."""


@task(app=ours, name="noop", queue="ours", ignore_result=True)
def noop(n: int) -> None:
    """Do nothing."""


@task(app=ours, name="noop_result", queue="ours")
def noop_result(n: int) -> int:
    """Return a result without computing."""
    return n


@task(app=ours, name="body", queue="ours")
def body(values: list[int]) -> int:
    """Return the number of values."""
    return len(values)


@task(app=ours, name="hold", queue="hold", bind=True, ignore_result=True)
def hold(self: Context) -> None:
    """Keep a worker busy until it is asked to leave."""
    while not self.should_abort():
        time.sleep(0.05)
    raise self.aborted()


@task(app=ours, name="stubborn", queue="hold")
def stubborn() -> None:
    """Keep a worker busy, whatever it is asked."""
    time.sleep(600)
