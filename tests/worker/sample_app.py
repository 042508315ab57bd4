"""Tasks that do not end by themselves, for the supervisor to end."""

from __future__ import annotations

import ctypes
import os
import threading
from pathlib import Path

from ganns.queue.app import App
from ganns.queue.decorator import task

app = App(import_paths=["tests.worker.sample_app"])


@task(app=app)
def pid() -> int:
    return os.getpid()


@task(app=app, time_limit=2)
def limited() -> None:
    threading.Event().wait()


@task(app=app)
def endless() -> None:
    threading.Event().wait()


@task(app=app)
def lock(seconds: float, path: str) -> int:
    """Keep Python's lock: no other thread of this process runs meanwhile, not even the heartbeat's."""
    Path(path).touch()
    ctypes.PyDLL(None).usleep(ctypes.c_uint(int(seconds * 1e6)))
    return os.getpid()


@task(app=app)
def power(path: str) -> int:
    """Keep Python's lock and the processor: one call in C, for some hours."""
    Path(path).touch()
    return pow(3, 10**10) & 1
