"""The procrastinate app: `procrastinate --app=tasks.app worker` joins a class with nothing but an address.

Task modules are listed by name in `import_paths` and imported when a worker opens the app, not here: so that
`import tasks` (by the coordinator, by `ganns --help`) loads no torch.
"""

from __future__ import annotations

from tasks.application import HEARTBEAT_S, App

__all__ = ["HEARTBEAT_S", "app"]

app = App(import_paths=["tasks.gradient", "tasks.evaluate"])
