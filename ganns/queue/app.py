"""The app: procrastinate's, with our job manager. Every worker runs one, the stock `procrastinate worker` too."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import procrastinate

from ganns.errors import TaskUsageError
from ganns.queue.connection import Connector
from ganns.queue.manager import JobManager
from ganns.queue.options import seconds

HEARTBEAT_S = 3.0
"""Seconds between two heartbeats. After 15 s without one, other workers get the jobs (`ganns.queue.rescue`)."""

RESULT_EXPIRES_S = 86400.0
"""Keep results for a day, as Celery does."""

WORKER_DEFAULTS: dict[str, Any] = {
    "update_heartbeat_interval": HEARTBEAT_S,
    "stalled_worker_timeout": 30.0,
    # The heartbeat stops before a worker's last unit ends. After 15 s the rescue would queue that unit again.
    "shutdown_graceful_timeout": 10.0,
    # For lost notifications, and for jobs that are due later than in 3 s: with LISTEN others start within milliseconds.
    "fetch_job_polling_interval": 2.0,
    "abort_job_polling_interval": 2.0,
}


class App(procrastinate.App):
    """procrastinate's App with our job manager."""

    job_manager: JobManager

    def __init__(
        self, import_paths: Sequence[str], *, check: str | None = None, result_expires: float = RESULT_EXPIRES_S
    ) -> None:
        """Prepare an app.

        Args:
            import_paths: the modules with its tasks; only workers import them.
            check: "module:function" to call after that, before a worker joins. It raises a GannsError that says why
                this machine cannot run the tasks.
            result_expires: seconds after which a result is deleted.

        Raises:
            BadArguments: if `result_expires` is no time.
            TaskUsageError: if `import_paths` is no list.
        """
        if isinstance(import_paths, str):
            raise TaskUsageError(
                f"App({import_paths!r}): name the modules with tasks in a list, App([{import_paths!r}])."
            )
        self._check, self.result_expires = check, seconds(result_expires, "result_expires")
        super().__init__(connector=Connector(), import_paths=list(import_paths), worker_defaults=WORKER_DEFAULTS)  # type: ignore[arg-type]
        self.job_manager = JobManager(self.connector, self)

    def register(self, runner: Callable[..., None], **options: Any) -> None:
        """Add a task of the decorator `task`: procrastinate's worker calls `runner` with its context."""
        super().task(pass_context=True, **options)(runner)

    def task(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse Celery's way to write a task: procrastinate has a method of this name, and its tasks no `.delay()`.

        Raises:
            TaskUsageError: always.
        """
        raise TaskUsageError("@app.task: write @task(app=app), after `from ganns.queue.decorator import task`.")

    def perform_import_paths(self) -> None:
        """Import the tasks, and check that this machine can run them."""
        if not self._import_paths_performed:
            super().perform_import_paths()  # type: ignore[no-untyped-call]
            if self._check is not None:
                module, _, function = self._check.partition(":")
                getattr(importlib.import_module(module), function)()


_default: App | None = None


def default_app() -> App | None:
    """Return the app of tasks and signatures that name none: the last one given to `set_default`."""
    return _default


def set_default(app: App) -> App:
    """Make `app` the default, and return it."""
    global _default
    _default = app
    return app
