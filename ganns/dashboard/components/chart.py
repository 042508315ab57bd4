"""Lines over a run's history: losses, distances, speed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import nicegui
from nicegui.element import Element

from ganns.dashboard.components import HERE, LIVE

CHARTS = {
    **LIVE,
    "ganns-charts": str(HERE / "charts"),
    "nicegui-echart": str(Path(nicegui.__file__).parent / "elements" / "echart" / "dist"),  # Apache ECharts
}


@dataclass(frozen=True)
class Series:
    """One line: a column of "history", or with `of="evaluations"` a key of its rows."""

    key: str
    label: str
    color: Literal["blue", "orange", "green", "pink", "ink", "warn"] = "blue"
    of: Literal["history", "evaluations"] = "history"
    best: bool = False  # mark the lowest point


@dataclass(frozen=True)
class Guess:
    """A horizontal line to compare with."""

    at: float
    label: str


class Chart(Element, component="chart.js", esm=CHARTS):
    """Some lines; along the x axis is what the page's `Axis` says."""

    def __init__(
        self,
        title: str,
        series: Sequence[Series],
        runs: Sequence[int],
        *,
        labels: Sequence[str] | None = None,
        format: str = "decimal",
        log: bool = False,
        low: float | None = None,
        high: float | None = None,
        guess: Guess | None = None,
        empty: str = "Nothing yet.",
    ) -> None:
        """Draw `series` of each of `runs`, which the page must watch (`frame(..., live="run=7&run=8")`).

        Of several runs, each has a colour (and each series a dash), and `labels` are their names: "run 7" if not given.
        `format` is one of those in `live/format.js`. `low` and `high` are the y axis's ends.
        """
        super().__init__()
        self._props |= {"title": title, "series": [asdict(one) for one in series], "runs": list(runs), "empty": empty}
        self._props |= {"format": format, "log": log, "guess": asdict(guess) if guess else None}
        self._props |= {"labels": list(labels) if labels else None, "min": low, "max": high}


class Axis(Element, component="axis.js", esm=CHARTS):
    """The choice of what is along the x axis of the page's charts; remembered in the browser."""
