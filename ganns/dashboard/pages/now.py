"""The page for the projector: the run that is being trained, `/`, or one run, `/run/7`."""

from __future__ import annotations

from nicegui import ui

from ganns.dashboard.components import NewRun
from ganns.dashboard.components.chart import AxisChoice, Chart, Guess, Series
from ganns.dashboard.components.run_page import Attributes, Costs, Figure, RunState, Samples, Units
from ganns.dashboard.context import Dashboard
from ganns.dashboard.frame import frame, text
from ganns.dashboard.join import place_card
from ganns.dashboard.plain import Missing
from ganns.dashboard.reach import Reach
from ganns.monitor.snapshot import latest_run, look_at_run
from ganns.store.shown_replays import list_replays

FIGURES = (
    Figure("version", "version"),
    Figure("images", "images"),
    Figure("images/s", "images_per_s"),
    Figure("rounds/min", "rounds_per_min"),
    Figure("left", "left_s", "seconds"),
    Figure("workers", "workers_alive"),
    Figure(
        "worth, in machines",
        "machines",
        "decimal",
        "The number of machines like the class's median worker that would compute as many images if they never waited. "
        "It does not say how much the model learns from an image.",
    ),
    Figure("best FID", "best_fid", "decimal"),
    Figure("its SWD", "best_swd", "decimal"),
)
"""Numbers that can be read from ten metres."""
NO_VALUES = "The first values come when the first round closes."


def register(dashboard: Dashboard) -> None:
    """Serve `/` and `/run/7`."""

    @ui.page("/")
    async def now() -> None:
        run = await dashboard.read(latest_run)
        found = None if run is None else await dashboard.read(look_at_run, run)
        if found is None:
            build_empty(dashboard.reach)
        else:
            replays = bool(await dashboard.read(list_replays, found["run"]))
            build(found["run"], found["name"], dashboard.reach, follow=True, replays=replays)

    @ui.page("/run/{run}")
    async def one(run: int) -> None:
        found = await dashboard.read(look_at_run, run)
        if found is None:
            raise unknown(run)
        replays = bool(await dashboard.read(list_replays, run))
        build(run, found["name"], dashboard.reach, follow=False, replays=replays)


def build_empty(reach: Reach) -> None:
    """Build the page of a database without runs; the browser loads it again when the first run begins.

    `reach` is for the join card.
    """
    with frame("No run yet", "/", live="runs=1"):
        with ui.element("section").classes("card empty"):
            text("h1", "No run yet")
            text("p", "This page shows the first run as soon as it begins. Start it on the teacher's machine:")
            text("pre", "ganns train experiment=demo")
            text("p", "To try everything on one machine:")
            text("pre", "ganns demo")
        place_card(reach)
        NewRun(None, follow=True)


def unknown(run: int) -> Missing:
    """Return the answer for a run that does not exist."""
    return Missing(f"There is no run {run}", "It may have been deleted. All runs: /runs")


def build(run: int, name: str, reach: Reach, *, follow: bool, replays: bool = False) -> None:
    """Build the page of a run.

    Args:
        run: its number.
        name: the name in its configuration.
        reach: for the join card.
        follow: whether the page changes to the next run when this one is over.
        replays: whether replays of it can be seen.
    """
    with frame(f"{name} · run {run}", "/", live=f"run={run}"):
        with ui.element("div").classes("run-title"):
            text("h1", name)
            text("span", f"run {run}").classes("soft")
            text("a", "Projector").props(f'href="/run/{run}/projector" title="One screen for a projector"')
            if replays:
                text("a", "Replays").props(f'href="/run/{run}/replays"')
            NewRun(run, follow=follow)
        with ui.element("div").classes("stage"):
            with ui.element("div").classes("card"):
                Samples(run)
            with ui.element("div").classes("beside"):
                with ui.element("section").classes("card").props('aria-label="State of the run"'):
                    RunState(run, FIGURES)
                with ui.element("div").classes("card"):
                    Units(run)
        Attributes(run)
        with ui.element("section").props('aria-labelledby="curves"'):
            with ui.element("div").classes("head"):
                text("h2", "Learning").props('id="curves"')
                AxisChoice()
            with ui.element("div").classes("charts"):
                build_learning(run)
        with ui.element("section").props('aria-labelledby="speed"'):
            text("h2", "Speed").props('id="speed"')
            with ui.element("div").classes("charts"):
                build_speed(run)
        place_card(reach)


def build_learning(run: int) -> None:
    """Build the curves of losses and distances."""
    with ui.element("div").classes("card"):
        Chart(
            "Losses",
            [Series("d_loss", "discriminator", "blue"), Series("g_loss", "generator", "orange")],
            [run],
            empty=NO_VALUES,
        )
    with ui.element("div").classes("card"):
        Chart(
            "Discriminator output (100 % = real)",
            [Series("d_real", "real images", "blue"), Series("d_fake", "generated", "orange")],
            [run],
            format="percent",
            low=0,
            high=1,
            guess=Guess(0.5, "guessing"),
            empty=NO_VALUES,
        )
    with ui.element("div").classes("card"):
        Chart(
            "Distance from real images, lower is better",
            [
                Series("fid", "FID", "pink", "evaluations", best=True),
                Series("swd", "sliced Wasserstein", "green", "evaluations"),
            ],
            [run],
            log=True,
            empty="No version has been evaluated yet. The setting evaluate.every is the number of rounds between "
            "evaluations; ganns evaluate evaluates the newest version now.",
        )
    with ui.element("div").classes("card"):
        Chart(
            "Precision (images like real ones) and recall (all kinds of them)",
            [
                Series("precision", "precision", "blue", "evaluations"),
                Series("recall", "recall", "orange", "evaluations"),
            ],
            [run],
            format="percent",
            low=0,
            high=1,
            empty="No version has been evaluated yet.",
        )


def build_speed(run: int) -> None:
    """Build the charts of time and bytes."""
    with ui.element("div").classes("card whole"):
        Costs(run)
    with ui.element("div").classes("card"):
        Chart("Images per second", [Series("images_per_s", "images/s", "green")], [run], format="number", low=0)
    with ui.element("div").classes("card"):
        Chart("Rounds per minute", [Series("rounds_per_min", "rounds/min", "blue")], [run], format="number", low=0)
    with ui.element("div").classes("card"):
        Chart(
            "Bytes of a round",
            [Series("bytes_up", "results, up", "orange"), Series("bytes_down", "weights, down", "blue")],
            [run],
            format="bytes",
            low=0,
        )
