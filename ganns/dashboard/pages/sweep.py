"""The points of a sweep: `/sweeps/ef00a2376a2d`."""

from __future__ import annotations

from nicegui import ui

from ganns.dashboard.components.sweep import Sweep
from ganns.dashboard.dashboard import Dashboard
from ganns.dashboard.frame import frame, text
from ganns.monitor.sweeps import look_at_sweep


def register(dashboard: Dashboard) -> None:
    """Serve `/sweeps/<key>`."""

    @ui.page("/sweeps/{key}")
    async def sweep(key: str) -> None:
        found = await dashboard.read(look_at_sweep, key)
        if found is None:
            with frame("Sweep", "/runs"):
                text("h1", f"There is no sweep {key}")
                with ui.element("section").classes("card"):
                    text("p", "A sweep trains several settings over one pool of workers, and says its key:")
                    text("pre", "ganns train -m experiment=demo seed=0,1 optimizer.lr_g=0.0001,0.0002")
                    text("a", "All runs").props('href="/runs"')
            return
        num = len(found["points"])
        with frame(f"Sweep {key}", "/runs", live="runs=1"):
            text("h1", f"Sweep {key}")
            text("p", f"{num} points, each a run" if num > 1 else "One point").classes("soft under")
            Sweep(found)
