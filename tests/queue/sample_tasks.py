"""An app of its own for the tests of the task framework: `procrastinate --app=tests.queue.sample_tasks.app worker`."""

from __future__ import annotations

import os
import time
from pathlib import Path

from ganns.errors import Retry
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


class Unreadable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


@task(app=app, name="raises", bind=True)
def raises(self: Context, what: str) -> object:
    """Raise an error, or ask for a retry, in a way that is hard to record."""
    match what:
        case "a path that is not UTF-8":
            raise OSError("cannot read /data/\udcff.png")
        case "an error without a text":
            raise Unreadable
        case "StopIteration":
            next(iter(()))
        case "SystemExit":
            raise SystemExit(3)
        case "retry with a text that is not UTF-8":
            self.retry(message="\udcff", countdown=0.0)
        case "retry with 1e20":
            self.retry(countdown=1e20)
        case "retry with NaN":
            self.retry(countdown=float("nan"))
        case "retry with a text":
            self.retry(countdown="soon")  # type: ignore[arg-type]
        case "a Retry of its own":
            raise Retry("x", 1e20)
        case "a result that is too large":
            return bytes(200_000_001)
    return None


@task(app=app, name="unreadable_retry", autoretry_for=[Unreadable], max_retries=1, retry_backoff=0.0)
def unreadable_retry() -> None:
    raise Unreadable


@task(app=app, name="asks_again", bind=True, max_retries=1)
def asks_again(self: Context) -> None:
    try:
        raise KeyError("the reason")
    except KeyError as error:
        raise self.retry(exc=error, countdown=0.0)  # noqa: B904 (as Celery's users write it)


@task(app=app, name="echo")
def echo(value: object) -> object:
    return value


@task(app=app, name="flaky_later", bind=True, autoretry_for=[ValueError], retry_backoff=0.4, retry_jitter=False)
def flaky_later(self: Context) -> int:
    if self.retries == 0:
        raise ValueError("once")
    return self.retries


@task(app=app, name="waits")
def waits() -> object:
    return add.delay(1).get()
