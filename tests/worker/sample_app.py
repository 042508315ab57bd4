"""Tasks that do not end by themselves, for the supervisor to end."""

from __future__ import annotations

import os
import threading

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
