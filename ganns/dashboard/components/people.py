"""The people of a run, and one person's history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ganns.dashboard.components import Component


class Leaderboard(Component, component="leaderboard.js"):
    """The people of a run, most images first: totals, the first three, arrivals and departures, and a table."""

    def __init__(self, run: int, *, follow: bool = False) -> None:
        """Show the people of `run`, which the page must watch (`frame(..., live="people=7")`).

        With `follow`, load the page again when a newer run begins.
        """
        super().__init__(run=run, follow=follow)


class Person(Component, component="person.js"):
    """A name's present credit in a run, and its history."""

    def __init__(self, history: Mapping[str, Any], run: int) -> None:
        """Show the result of `look_at_person`, and the credit in `run`, which the page must watch."""
        super().__init__(history=dict(history), run=run)
