"""A procrastinate app with the task framework inside; what a worker runs is this and nothing else."""

from __future__ import annotations

from typing import Any

import procrastinate

from ganns.queue.connector import Connector
from ganns.queue.manager import JobManager

HEARTBEAT_S = 3.0
"""How often a worker says that it lives. After 15 s of silence its jobs are given to others (`ganns.queue.rescue`)."""

WORKER_DEFAULTS: dict[str, Any] = {
    "update_heartbeat_interval": HEARTBEAT_S,
    "stalled_worker_timeout": 30.0,
    # The heartbeat stops before a worker's last unit ends: below 15 s, or that unit would be given away.
    "shutdown_graceful_timeout": 10.0,
    # Only for when a notification was lost: with LISTEN a job starts within milliseconds.
    "fetch_job_polling_interval": 2.0,
    "abort_job_polling_interval": 2.0,
}


class App(procrastinate.App):
    """procrastinate's App; its job manager is ours."""

    job_manager: JobManager

    def __init__(self, import_paths: list[str]) -> None:
        """Prepare an app whose tasks are in the modules `import_paths`; they are imported by its workers only."""
        super().__init__(connector=Connector(), import_paths=import_paths, worker_defaults=WORKER_DEFAULTS)  # type: ignore[arg-type]
        self.job_manager = JobManager(self.connector, self)


_default: App | None = None


def default_app() -> App | None:
    """Return the app of tasks and signatures that name none: the one that `set_default` was given last."""
    return _default


def set_default(app: App) -> App:
    """Make `app` the default, and return it."""
    global _default
    _default = app
    return app
