"""The procrastinate app: `procrastinate --app=tasks.app worker` joins a class, and needs a database address only.

A worker imports the modules of `import_paths` when it opens the app. `import tasks` alone (by the coordinator, by
`ganns --help`) loads no torch.
"""

from __future__ import annotations

from ganns.queue.app import App, set_default
from ganns.queue.canvas import chain, chord, group
from ganns.queue.decorator import task

__all__ = ["app", "chain", "chord", "group", "task"]

app = set_default(
    App(import_paths=["tasks.gradient", "tasks.evaluate", "tasks.audit"], check="tasks.blame:pick_device")
)
"""The procrastinate app that every worker runs, with the task framework inside."""
