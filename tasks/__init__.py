"""The procrastinate app: `procrastinate --app=tasks.app worker` joins a class with nothing but an address.

Task modules are listed by name in `import_paths` and imported when a worker opens the app, not here: so that
`import tasks` (by the coordinator, by `ganns --help`) loads no torch.
"""

from __future__ import annotations

import procrastinate

from tasks.connector import Connector

HEARTBEAT_S = 3.0
"""How often a worker says that it lives. The coordinator gives it up after 15 s (`SILENT_S`)."""

app = procrastinate.App(
    connector=Connector(),
    import_paths=["tasks.gradient"],
    worker_defaults={
        "update_heartbeat_interval": HEARTBEAT_S,
        "stalled_worker_timeout": 30.0,
        # The heartbeat stops before a worker's last unit ends: below 15 s, or that unit would be given away.
        "shutdown_graceful_timeout": 10.0,
        # Only for when a notification was lost: with LISTEN a job starts within milliseconds.
        "fetch_job_polling_interval": 2.0,
        "abort_job_polling_interval": 2.0,
    },
)
