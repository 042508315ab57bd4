"""Lists of runs, and several runs beside each other."""

from __future__ import annotations

from collections.abc import Sequence

from nicegui.element import Element

from ganns.dashboard.components import HERE, LIVE
from ganns.dashboard.components.chart import CHARTS

RUNS = {**LIVE, "ganns-runs": str(HERE / "runs")}


class Runs(Element, component="runs.js", esm=RUNS):
    """Every run, with a choice of some to compare; the page must watch them (`frame(..., live="runs=1")`)."""


class Beside(Element, component="beside.js", esm={**RUNS, **CHARTS}):
    """The samples of several runs beside each other, with one slider, and what came out of each."""

    def __init__(self, runs: Sequence[int], labels: Sequence[str]) -> None:
        """Show these runs, which the page must watch (`frame(..., live="run=7&run=8")`)."""
        super().__init__()
        self._props |= {"runs": list(runs), "labels": list(labels)}
