"""Tasks that do not end by themselves, for the supervisor to end."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from ganns.queue.app import App
from ganns.queue.decorator import task
from ganns.queue.runner import Context

app = App(import_paths=["tests.worker.sample_app"])


@task(app=app)
def pid() -> int:
    return os.getpid()


@task(app=app, bind=True)
def once_more(self: Context) -> int:
    """Ask for another attempt once; return the number of attempts before this one."""
    if not self.retries:
        self.retry(countdown=0.3)
    return self.retries


@task(app=app, time_limit=2)
def limited() -> None:
    threading.Event().wait()


@task(app=app)
def endless() -> None:
    threading.Event().wait()


@task(app=app, bind=True)
def wait_for(self: Context, path: str) -> str:
    """Say that this only waits, and wait until the file `path` is there."""
    self.only_waits()
    Path(f"{path}.awaited").touch()
    until = time.monotonic() + 60
    while not Path(path).exists() and time.monotonic() < until:
        time.sleep(0.02)
    return "it came" if Path(path).exists() else "it never came"


@task(app=app)
def long_power(seconds: float, path: str) -> tuple[int, float]:
    """Compute with big integers for this long, in calls that take seconds each and keep Python's lock all that time."""
    Path(path).touch()
    exponent, took = 10**6, 0.0
    while took < seconds:  # until one call alone takes so long
        exponent = int(exponent * (1.5 if took > seconds / 3 else 2))
        begun = time.monotonic()
        pow(3, exponent)
        took = time.monotonic() - begun
    return os.getpid(), took


@task(app=app)
def power(path: str) -> int:
    """Keep Python's lock and the processor: one call in C, for some hours."""
    Path(path).touch()
    return pow(3, 10**10) & 1
