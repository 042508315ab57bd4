"""All runs, `/runs`, and the points of a sweep, `/sweeps/ef00a2376a2d`."""

from __future__ import annotations

from nicegui import ui

from ganns.dashboard.components.lists import RunList, SweepPoints
from ganns.dashboard.context import Dashboard
from ganns.dashboard.frame import frame, text
from ganns.dashboard.plain import Missing
from ganns.monitor.sweeps import look_at_sweep


def register(dashboard: Dashboard) -> None:
    """Serve `/runs` and `/sweeps/<key>`."""

    @ui.page("/runs")
    async def runs() -> None:
        with frame("Runs", "/runs", live="runs=1"):
            text("h1", "Runs")
            RunList()

    @ui.page("/sweeps/{key}")
    async def sweep(key: str) -> None:
        found = await dashboard.read(look_at_sweep, key)
        if found is None:
            raise Missing(
                f"There is no sweep {key[:60]}",
                "A sweep trains several settings with one pool of workers, and prints its key when it starts: "
                "ganns train -m experiment=demo seed=0,1",
            )
        num = len(found["points"])
        with frame(f"Sweep {key}", "/runs", live="runs=1"):
            text("h1", f"Sweep {key}")
            text("p", f"{num} points, each a run" if num > 1 else "One point").classes("soft under")
            SweepPoints(found)
