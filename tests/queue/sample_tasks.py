"""An app of its own for the tests of the task framework: `procrastinate --app=tests.queue.sample_tasks.app worker`."""

from __future__ import annotations

import os
import time
from pathlib import Path

from ganns.queue.app import App
from ganns.queue.decorator import task
from ganns.queue.runner import Context

app = App(import_paths=["tests.queue.sample_tasks"])


@task(app=app, name="add")
def add(x: int, y: int = 0) -> int:
    return x + y


@task(app=app, name="total")
def total(values: list[int]) -> int:
    return sum(values)


@task(app=app, name="spread")
def spread(*values: int, **more: int) -> dict:
    return {"values": list(values), "more": more}


@task(app=app, name="quiet", ignore_result=True)
def quiet() -> int:
    return 1


@task(app=app, name="fail")
def fail(message: str = "no") -> None:
    raise ValueError(message)


@task(app=app, name="flaky", bind=True, autoretry_for=[ValueError], max_retries=2, retry_backoff=0.0)
def flaky(self: Context, failures: int) -> int:
    """Fail the first `failures` times; return the number of retries."""
    if self.retries < failures:
        raise ValueError(f"failure {self.retries}")
    return self.retries


@task(app=app, name="raw")
def raw(size: int) -> bytes:
    return bytes(range(256)) * size


@task(app=app, name="length")
def length(data: bytes) -> int:
    return len(data)


@task(app=app, name="lengths")
def lengths(data: list[bytes]) -> list[int]:
    return [len(one) for one in data]


@task(app=app, name="nan")
def nan() -> float:
    return float("nan")


@task(app=app, name="wait_for_file", bind=True)
def wait_for_file(self: Context, path: str) -> str:
    """Say in `path.started` that it runs; end when `path` exists, or when it is revoked."""
    with open(f"{path}.started", "a") as stream:
        stream.write(f"{os.getpid()}\n")
    while not Path(path).exists():
        if self.should_abort():
            raise self.aborted()
        time.sleep(0.01)
    return "seen"


@task(app=app, name="limited", rate_limit="5/s", ignore_result=True)
def limited(path: str) -> None:
    with open(path, "a") as stream:
        stream.write(f"{time.time()} {os.getpid()}\n")


@task(app=app, name="slow", soft_time_limit=0.2)
def slow() -> None:
    while True:
        time.sleep(0.01)


@task(app=app, name="needs_magic", requires=["magic"])
def needs_magic() -> str:
    return "done"


@task(app=app, name="stale", expires=0.0)
def stale() -> None:
    raise AssertionError("an expired job ran")


@task(app=app, name="killer", time_limit=60.0)
def killer() -> None:
    """Only for its time limit."""
