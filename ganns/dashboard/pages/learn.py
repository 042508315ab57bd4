"""One round as a moving picture, driven by the events of a run: `/learn`, `/learn?run=7`."""

from __future__ import annotations

import psycopg
from nicegui import ui
from psycopg_pool import PoolTimeout

from ganns.dashboard.components import NewRun
from ganns.dashboard.components.round_diagram import RoundDiagram, RoundFaults
from ganns.dashboard.context import Dashboard
from ganns.dashboard.documents import link_of
from ganns.dashboard.frame import frame, text
from ganns.dashboard.pages.learn_text import FAULTS, MOVING, PARTS, SAME, STEPS
from ganns.monitor.snapshot import latest_run, look_at_run


def register(dashboard: Dashboard) -> None:
    """Serve `/learn`."""

    @ui.page("/learn")
    async def learn(run: int | None = None) -> None:
        wanted, note = run, ""
        try:
            if run is None:
                run = await dashboard.read(latest_run)
            elif await dashboard.read(look_at_run, run) is None:
                run, note = None, f"There is no run {wanted}."
        except (psycopg.Error, PoolTimeout):
            note = "The database does not answer. The example works without it."
        build(run, note)


def build(run: int | None, note: str = "") -> None:
    """Build the page of a run, or the page without a run."""
    with frame("Learn", "/learn", live="runs=1" if run is None else f"run={run}&people={run}"):
        with ui.element("section").classes("learn-head"):
            text("h1", "One round" if run is None else f"One round of run {run}")
            if note:
                text("p", note).classes("learn-note")
            elif run is None:
                with text("p", "No run yet. Play the example, or start a run: "):
                    text("code", "ganns train experiment=demo")
            if run is None:
                NewRun(None, follow=False, page="/learn?run=")
        with ui.element("section").classes("card").props('aria-label="The picture"'):
            legend = [{"key": key, "title": title} for key, title in MOVING.items()]
            RoundDiagram(run, elements(), legend, STEPS)
        with ui.element("section").classes("card"):
            text("h2", "What can go wrong")
            text("p", "The numbers count since you opened this page.").classes("soft")
            RoundFaults(FAULTS)
        with ui.element("section").classes("card"):
            text("h2", "Why two at once do no harm")
            with text(
                "p", "Real sessions of a real PostgreSQL, statement by statement, and the orders that break them: "
            ):
                text("a", "Transactions under the microscope").props('href="/microscope"')


def elements() -> dict[str, dict[str, str]]:
    """Return the explanation of every part and of everything that moves."""
    parts = {key: part._asdict() | {"link": link_of(part.doc)} for key, part in PARTS.items()}
    return parts | {key: parts[other] for key, other in SAME.items()}
