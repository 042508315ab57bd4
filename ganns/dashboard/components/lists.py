"""Lists: of runs, of several runs side by side, of the points of a sweep, and of the people of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ganns.dashboard.components import Component


class RunList(Component, component="run_list.js"):
    """All runs, with a choice of some to compare; the page must watch them (`frame(..., live="runs=1")`)."""


class Beside(Component, component="beside.js"):
    """The samples of several runs side by side, with one slider, and a table of their results."""

    def __init__(self, runs: Sequence[int], labels: Sequence[str]) -> None:
        """Show these runs, which the page must watch (`frame(..., live="run=7&run=8")`)."""
        super().__init__(runs=list(runs), labels=list(labels))


class SweepPoints(Component, component="sweep_points.js"):
    """The points of a sweep: parallel coordinates, the best distance so far, and a table."""

    def __init__(self, found: Mapping[str, Any]) -> None:
        """Show the result of `look_at_sweep`, and its changes; the page must watch the runs (`live="runs=1"`)."""
        super().__init__(**found)


class Leaderboard(Component, component="leaderboard.js"):
    """The people of a run, most images first: totals, the first three, arrivals and departures, and a table."""

    def __init__(self, run: int, *, follow: bool = False, me: str | None = None) -> None:
        """Show the people of `run`, which the page must watch (`frame(..., live="people=7")`).

        With `follow`, load the page again when a newer run begins. The row of `me`, the reader, is marked; the browser
        remembers the name, and "" makes it forget.
        """
        super().__init__(run=run, follow=follow, me=me)


class Influence(Component, component="influence.js"):
    """Shows how the gradients of a name's last units moved the class's steps; empty if that is not known."""

    def __init__(self, units: Sequence[Mapping[str, Any]]) -> None:
        """Show `units` of the result of `look_at_person`."""
        super().__init__(units=[dict(unit) for unit in units])


class Person(Component, component="person.js"):
    """A name's present credit in a run, and its history."""

    def __init__(self, history: Mapping[str, Any], run: int) -> None:
        """Show the result of `look_at_person`, and the credit in `run`, which the page must watch."""
        super().__init__(history=dict(history), run=run)
