"""One screen for a projector, read from ten metres: `/projector`, the newest run, or `/run/7/projector`."""

from __future__ import annotations

from nicegui import ui

from ganns.dashboard.components import NewRun
from ganns.dashboard.components.chart import Chart, Series
from ganns.dashboard.components.run_page import Figure, Projector
from ganns.dashboard.context import Dashboard
from ganns.dashboard.frame import frame
from ganns.dashboard.pages.now import NO_VALUES, build_empty, unknown
from ganns.monitor.snapshot import latest_run, look_at_run

FIGURES = (Figure("version", "version"), Figure("images/s", "images_per_s"), Figure("workers", "workers_alive"))
"""Three: with more, none is large enough."""


def register(dashboard: Dashboard) -> None:
    """Serve `/projector` and `/run/7/projector`."""

    @ui.page("/projector")
    async def newest() -> None:
        run = await dashboard.read(latest_run)
        found = None if run is None else await dashboard.read(look_at_run, run)
        if found is None:
            build_empty(dashboard.reach)
        else:
            build(found["run"], found["name"], follow=True)

    @ui.page("/run/{run}/projector")
    async def one(run: int) -> None:
        found = await dashboard.read(look_at_run, run)
        if found is None:
            raise unknown(run)
        build(run, found["name"], follow=False)


def build(run: int, name: str, *, follow: bool) -> None:
    """Build the screen of a run; with `follow`, it changes to the next run when this one is over."""
    with frame(f"{name} · run {run}", "", live=f"run={run}", foot=False):
        with Projector(run, name, FIGURES):
            losses = [Series("d_loss", "discriminator", "blue"), Series("g_loss", "generator", "orange")]
            Chart("Losses", losses, [run], empty=NO_VALUES)
        if follow:
            NewRun(run, follow=True, page="/run/")
