"""One round as a moving picture, driven by what really happens: `/learn`, `/learn?run=7`."""

from __future__ import annotations

import psycopg
from nicegui import ui
from psycopg_pool import PoolTimeout

from ganns.dashboard.components.round_diagram import RoundBegun, RoundDiagram, RoundFaults, RoundSteps
from ganns.dashboard.dashboard import Dashboard
from ganns.dashboard.documents import link_of
from ganns.dashboard.explained import FAULTS, MOVING, PARTS, SAME, STEPS
from ganns.dashboard.frame import frame, text
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
            note = "The database does not answer. The example needs none."
        build(run, note)


def build(run: int | None, note: str = "") -> None:
    """Build the page of a run, or the one without."""
    with frame("Learn", "/learn", live="runs=1" if run is None else f"run={run}&people={run}"):
        with ui.element("section").classes("learn-head"):
            text("h1", "One round" if run is None else f"One round of run {run}")
            if note:
                text("p", note).classes("learn-note")
            elif run is None:
                with text("p", "No run yet. Play the example, or start one: "):
                    text("code", "ganns train experiment=demo")
            if run is None:
                RoundBegun()
        with ui.element("section").classes("card").props('aria-label="The picture"'):
            legend = [{"key": key, "title": title} for key, title in MOVING.items()]
            with RoundDiagram(run, elements(), legend):
                text("h2", "A round in seven steps")
                RoundSteps(STEPS)
        with ui.element("section").classes("card"):
            text("h2", "What can go wrong")
            text("p", "The number says how often it happened since you opened this page.").classes("soft")
            RoundFaults(FAULTS)


def elements() -> dict[str, dict[str, str]]:
    """Return every part, and what moves, as the picture wants them."""
    parts = {key: part._asdict() | {"link": link_of(part.doc)} for key, part in PARTS.items()}
    return parts | {key: parts[other] for key, other in SAME.items()}
