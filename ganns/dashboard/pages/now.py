"""The page that is on the projector: the run that is being trained, as it is now."""

from __future__ import annotations

from nicegui import ui

from ganns.dashboard.components import Figure
from ganns.dashboard.dashboard import Dashboard
from ganns.dashboard.frame import frame, text
from ganns.watching.snapshot import latest_run


def register(dashboard: Dashboard) -> None:
    """Serve `/` and `/run/7`."""

    @ui.page("/")
    async def now() -> None:
        run = await dashboard.read(latest_run)
        if run is None:
            with frame("No run yet", "/"):
                text("h1", "No run yet")
                with text("p", "Start one: "):
                    text("code", "ganns train experiment=demo")
            return
        build(run)

    @ui.page("/run/{run}")
    async def one(run: int) -> None:
        build(run)


def build(run: int) -> None:
    """Build the page of a run."""
    with frame(f"Run {run}", "/", live=f"run={run}"):
        text("h1", f"Run {run}")
        with ui.element("section").classes("card figures"):
            Figure("version", "run", "version")
            Figure("images", "run", "images")
            Figure("images/s", "run", "images_per_s")
            Figure("rounds/min", "run", "rounds_per_min")
            Figure("left", "run", "left_s", format="seconds")
