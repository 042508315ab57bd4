"""Who is in the class, and what each contributed: `/people`, and a page for each name."""

from __future__ import annotations

from nicegui import ui

from ganns.dashboard.components.leaderboard import Leaderboard
from ganns.dashboard.components.person import Person
from ganns.dashboard.dashboard import Dashboard
from ganns.dashboard.frame import frame, text
from ganns.monitor.people import look_at_person
from ganns.monitor.snapshot import latest_run, look_at_run

EXPLAINED = (
    "Images count when their unit was in time for its round. A unit that came when its round was full already is extra"
    " effort: that round did not need it any more. A streak is how many rounds in a row, up to the last. Speed is"
    " measured while computing; the link is how long a unit waits for the network."
)


def register(dashboard: Dashboard) -> None:
    """Serve `/people`, `/people?run=7` and `/people/anna`."""

    @ui.page("/people")
    async def people(run: int | None = None) -> None:
        if run is not None and await dashboard.read(look_at_run, run) is None:
            with frame("People", "/people"):
                text("h1", f"There is no run {run}")
                text("a", "The people of the newest run").props('href="/people"')
            return
        build(run if run is not None else await dashboard.read(latest_run), follow=run is None)

    @ui.page("/people/{name:path}")
    async def person(name: str) -> None:
        if not name:  # somebody typed a slash too many
            build(await dashboard.read(latest_run), follow=True)
            return
        found = await dashboard.read(look_at_person, name)
        run = await dashboard.read(latest_run) or 0
        with frame(name, "/people", live=f"people={run}"):
            text("h1", name)
            if found["joined"] or found["units"]:
                Person(found, run)
                return
            with ui.element("section").classes("card"):
                text("p", "Nobody of this name has joined. The name is what a worker was started with:")
                text("pre", "ganns worker --name anna")
                text("a", "Everybody").props('href="/people"')


def build(run: int | None, *, follow: bool) -> None:
    """Build the page of a run's people.

    Args:
        run: its number. Without a run there is nothing to contribute to, but who has joined already is seen.
        follow: whether the page goes on to a newer run.
    """
    with frame("People", "/people", live=f"people={run or 0}"):
        text("h1", "People")
        with ui.element("p").classes("soft under"):
            if run is None:
                text("span", "No run has begun yet, but who has joined shows here. To begin one: ")
                text("code", "ganns train experiment=demo")
            else:
                text("span", "They train ")
                text("a", f"run {run}").props(f'href="/run/{run}"')
                if not follow:
                    text("span", ". ")
                    text("a", "The people of the newest run").props('href="/people"')
        Leaderboard(run or 0, follow=follow)
        text("p", EXPLAINED).classes("soft explained")
