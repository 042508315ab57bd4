"""A sweep: which settings led where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nicegui.element import Element

from ganns.dashboard.components.chart import CHARTS
from ganns.dashboard.components.runs import RUNS


class Sweep(Element, component="sweep.js", esm={**RUNS, **CHARTS}):
    """The points of a sweep: parallel coordinates, the best so far, and a table."""

    def __init__(self, found: Mapping[str, Any]) -> None:
        """Show what `look_at_sweep` returned and what changes since; the page must watch the runs (`live="runs=1"`)."""
        super().__init__()
        self._props |= dict(found)
