"""The page that is on the projector: the run that is being trained, as it is now."""

from __future__ import annotations

from nicegui import ui

from ganns.dashboard.components import Figure
from ganns.dashboard.components.chart import Axis, Chart, Guess, Series
from ganns.dashboard.components.run_page import Newer, Samples, State, TimeParts, Traffic, Units
from ganns.dashboard.dashboard import Dashboard
from ganns.dashboard.frame import frame, text
from ganns.monitor.snapshot import latest_run, look_at_run


def register(dashboard: Dashboard) -> None:
    """Serve `/` and `/run/7`."""

    @ui.page("/")
    async def now() -> None:
        run = await dashboard.read(latest_run)
        found = None if run is None else await dashboard.read(look_at_run, run)
        if found is None:
            build_empty()
        else:
            build(found["run"], found["name"], follow=True)

    @ui.page("/run/{run}")
    async def one(run: int) -> None:
        found = await dashboard.read(look_at_run, run)
        if found is None:
            build_unknown(run)
        else:
            build(run, found["name"], follow=False)


def build_empty() -> None:
    """Build the page of a database without a run; it becomes a run's page when there is one."""
    with frame("No run yet", "/", live="runs=1"):
        with ui.element("section").classes("card empty"):
            text("h1", "No run yet")
            text("p", "This page shows a run by itself as soon as there is one. Start it on the teacher's machine:")
            text("pre", "ganns train experiment=demo")
            text(
                "p", "Every machine that helps joins with the address that the coordinator, or ganns db serve, prints:"
            )
            text("pre", "GANNS_DATABASE_URL=postgresql://... ganns worker")
            text("p", "To see everything on one machine, without anybody else:")
            text("pre", "ganns demo")
        Newer(None, follow=True)


def build_unknown(run: int) -> None:
    """Build the page of a run that does not exist."""
    with frame(f"No run {run}", "/"), ui.element("section").classes("card empty"):
        text("h1", f"There is no run {run}")
        with text("p", "It was deleted, or its number is another one: "):
            text("a", "all runs").props('href="/runs"')


def build(run: int, name: str, *, follow: bool) -> None:
    """Build the page of a run.

    Args:
        run: its number.
        name: as its configuration has it.
        follow: whether the page goes on to the next run when this one is over.
    """
    with frame(f"{name} · run {run}", "/", live=f"run={run}"):
        with ui.element("div").classes("run-title"):
            text("h1", name)
            text("span", f"run {run}").classes("soft")
            Newer(run, follow=follow)
        with ui.element("div").classes("stage"):
            with ui.element("div").classes("card"):
                Samples(run)
            with ui.element("div").classes("beside"):
                with ui.element("section").classes("card").props('aria-label="How far it is"'):
                    State(run)
                    build_figures()
                with ui.element("div").classes("card"):
                    Units(run)
        with ui.element("section").props('aria-labelledby="curves"'):
            with ui.element("div").classes("head"):
                text("h2", "How it learns").props('id="curves"')
                Axis()
            with ui.element("div").classes("charts"):
                build_learning(run)
        with ui.element("section").props('aria-labelledby="speed"'):
            text("h2", "How fast it goes").props('id="speed"')
            with ui.element("div").classes("charts"):
                build_speed(run)


def build_figures() -> None:
    """Build the numbers that are read from ten metres."""
    with ui.element("div").classes("figures"):
        Figure("version", "run", "version")
        Figure("images", "run", "images")
        Figure("images/s", "run", "images_per_s")
        Figure("rounds/min", "run", "rounds_per_min")
        Figure("left", "run", "left_s", format="seconds")
        Figure("workers", "run", "workers_alive")
        Figure("best distance", "run", "best_swd", format="decimal")


def build_learning(run: int) -> None:
    """Build the curves of what the model learns."""
    with ui.element("div").classes("card"):
        Chart(
            "Losses",
            [Series("d_loss", "discriminator", "blue"), Series("g_loss", "generator", "orange")],
            [run],
            empty="The first values come with the first round that is closed.",
        )
    with ui.element("div").classes("card"):
        Chart(
            "How real it looks to the discriminator",
            [Series("d_real", "real images", "blue"), Series("d_fake", "generated", "orange")],
            [run],
            format="percent",
            low=0,
            high=1,
            guess=Guess(0.5, "a guess"),
            empty="The first values come with the first round that is closed.",
        )
    with ui.element("div").classes("card"):
        Chart(
            "Distance from real images, lower is better",
            [
                Series("swd", "sliced Wasserstein", "green", "evaluations", best=True),
                Series("fid", "Fréchet", "pink", "evaluations", best=True),
            ],
            [run],
            log=True,
            empty="No version has been evaluated yet; evaluate.every says after how many rounds one is, "
            "and ganns evaluate does it now.",
        )


def build_speed(run: int) -> None:
    """Build what there is to know about time and bytes."""
    with ui.element("div").classes("card whole"):
        TimeParts(run)
    with ui.element("div").classes("card"):
        Chart("Images a second", [Series("images_per_s", "images/s", "green")], [run], format="number", low=0)
    with ui.element("div").classes("card"):
        Chart("Rounds a minute", [Series("rounds_per_min", "rounds/min", "blue")], [run], format="number", low=0)
    with ui.element("div").classes("card"):
        Chart(
            "Bytes a round",
            [Series("bytes_up", "results, up", "orange"), Series("bytes_down", "weights, down", "blue")],
            [run],
            format="bytes",
            low=0,
        )
        Traffic(run)
