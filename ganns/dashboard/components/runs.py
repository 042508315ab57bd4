"""Lists of runs, several runs side by side, and the points of a sweep."""

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
