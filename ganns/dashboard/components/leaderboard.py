"""Who contributed what, and who is there."""

from __future__ import annotations

from nicegui.element import Element

from ganns.dashboard.components import HERE, LIVE

PEOPLE = {**LIVE, "ganns-people": str(HERE / "people")}


class Leaderboard(Element, component="leaderboard.js", esm=PEOPLE):
    """The people of a run, most images first: the class's totals, the first three, who came and went, and everybody."""

    def __init__(self, run: int, *, follow: bool = False) -> None:
        """Show the people of `run`, which the page must watch (`frame(..., live="people=7")`).

        With `follow`, the page is loaded anew when another run is the newest.
        """
        super().__init__()
        self._props |= {"run": run, "follow": follow}
