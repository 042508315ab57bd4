"""The people of a run and their contributions: `/people`, and a page for each name."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from nicegui import ui

from ganns.dashboard.components.lists import Influence, Leaderboard, Person
from ganns.dashboard.context import Dashboard
from ganns.dashboard.frame import frame, text
from ganns.dashboard.plain import Missing
from ganns.monitor.people import look_at_person
from ganns.monitor.snapshot import latest_run, look_at_run

Name = Annotated[str | None, Query(max_length=200)]
EXPLAINED = (
    "Images count if their unit was accepted, that is, in time for its round. Extra effort is the number of units that"
    " came when their round was full already. A streak is the number of rounds in a row, up to the last one, with an"
    " accepted unit. Speed is measured while computing. The link is the time that a unit waits for the network."
)


def register(dashboard: Dashboard) -> None:
    """Serve `/people`, `/people?run=7`, `/people?me=anna` and `/people/anna`."""

    @ui.page("/people")
    async def people(run: int | None = None, me: Name = None) -> None:
        if run is not None and await dashboard.read(look_at_run, run) is None:
            raise Missing(f"There is no run {run}", "It may have been deleted. The people of the newest run: /people")
        build(run if run is not None else await dashboard.read(latest_run), follow=run is None, me=me)

    @ui.page("/people/{name:path}")
    async def person(name: str) -> None:
        if not name:  # the address was `/people/`
            build(await dashboard.read(latest_run), follow=True)
            return
        found = await dashboard.read(look_at_person, name)
        run = await dashboard.read(latest_run) or 0
        with frame(name, "/people", live=f"people={run}"):
            text("h1", name)
            if found["joined"] or found["units"]:
                Person(found, run)
                Influence(found["units"])
                return
            with ui.element("section").classes("card"):
                text("p", "No worker with this name has joined. A worker gets its name when it starts:")
                text("pre", "ganns worker --name anna")
                text("a", "All people").props('href="/people"')


def build(run: int | None, *, follow: bool, me: str | None = None) -> None:
    """Build the page of a run's people.

    Args:
        run: its number; None shows only the workers that have joined.
        follow: whether the page changes to a newer run.
        me: the reader's name, to mark a row; "" forgets it, and None takes the one that the browser remembers.
    """
    with frame("People", "/people", live=f"people={run or 0}"):
        text("h1", "People")
        with ui.element("p").classes("soft under"):
            if run is None:
                text("span", "No run has begun yet; workers that have joined appear here. To start a run: ")
                text("code", "ganns train experiment=demo")
            else:
                text("span", "They train ")
                text("a", f"run {run}").props(f'href="/run/{run}"')
                if not follow:
                    text("span", ". ")
                    text("a", "The people of the newest run").props('href="/people"')
        Leaderboard(run or 0, follow=follow, me=me)
        text("p", EXPLAINED).classes("soft explained")
