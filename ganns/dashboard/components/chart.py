"""Line charts of a run's history: losses, distances, speed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from ganns.dashboard.components import Component


@dataclass(frozen=True)
class Series:
    """One line: a column of the message "history", or, with `of="evaluations"`, a key of that message's rows."""

    key: str
    label: str
    color: Literal["blue", "orange", "green", "pink", "ink", "warn"] = "blue"
    of: Literal["history", "evaluations"] = "history"
    best: bool = False  # mark the lowest point


@dataclass(frozen=True)
class Guess:
    """A horizontal line for comparison."""

    at: float
    label: str


class Chart(Component, component="chart.js"):
    """A line chart. The page's `AxisChoice` sets its x axis."""

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
        empty: str = "No values yet.",
    ) -> None:
        """Draw `series` of each of `runs`, which the page must watch (`frame(..., live="run=7&run=8")`).

        With several runs, each run has a colour and each series a dash pattern. `labels` are the runs' names, "run 7"
        by default. `format` is one of those in `lib/format.js`. `low` and `high` are the ends of the y axis.
        """
        super().__init__(title=title, series=[asdict(one) for one in series], runs=list(runs), empty=empty)
        self._props |= {"format": format, "log": log, "guess": asdict(guess) if guess else None}
        self._props |= {"labels": list(labels) if labels else None, "min": low, "max": high}


class AxisChoice(Component, component="axis_choice.js"):
    """Buttons that choose the x axis of the page's charts; the browser remembers the choice."""
