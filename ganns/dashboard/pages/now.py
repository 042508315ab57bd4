"""The page that is on the projector: the run that is being trained, as it is now."""

from __future__ import annotations

from nicegui import ui

from ganns.dashboard.components import Figure
from ganns.dashboard.components.chart import Axis, Chart, Guess, Series
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
        with ui.element("section").props('aria-labelledby="curves"').classes("charts"):
            with ui.element("div").classes("head"):
                text("h2", "How it learns").props('id="curves"')
                Axis()
            with ui.element("div").classes("card"):
                Chart(
                    "Losses",
                    [Series("d_loss", "discriminator", "blue"), Series("g_loss", "generator", "orange")],
                    [run],
                )
            with ui.element("div").classes("card"):
                Chart(
                    "How real it looks to the discriminator",
                    [Series("d_real", "real images", "blue"), Series("d_fake", "generated images", "orange")],
                    [run],
                    format="percent",
                    low=0,
                    high=1,
                    guess=Guess(0.5, "a guess"),
                )
            with ui.element("div").classes("card"):
                Chart(
                    "Distance from real images (lower is better)",
                    [
                        Series("swd", "SWD", "green", "evaluations", best=True),
                        Series("fid", "Fréchet", "pink", "evaluations", best=True),
                    ],
                    [run],
                    log=True,
                    empty="No version has been evaluated yet.",
                )
            with ui.element("div").classes("card"):
                Chart("Images per second", [Series("images_per_s", "images/s", "blue")], [run], low=0)
