"""What moves on the page of a run; the curves are in `chart.py`."""

from __future__ import annotations

from nicegui.element import Element

from ganns.dashboard.components import LIVE
from ganns.dashboard.components.chart import CHARTS


class OfRun(Element):
    """Something that shows one run, which the page must watch."""

    def __init__(self, run: int) -> None:
        """Show `run`."""
        super().__init__()
        self._props["run"] = run


class Samples(OfRun, component="samples.js", esm=LIVE):
    """The grids of samples: the newest, or any by slider, keys, or as a film."""


class Units(OfRun, component="units.js", esm=LIVE):
    """The open rounds, unit by unit, and the last closed one."""


class State(OfRun, component="state.js", esm=LIVE):
    """In words, what the run does, what to type if something has to be done, and how far it is."""


class TimeParts(OfRun, component="timeparts.js", esm=LIVE):
    """Where a round's time goes."""


class Traffic(OfRun, component="traffic.js", esm=CHARTS):
    """How many bytes the run has sent so far."""


class Newer(Element, component="newer.js", esm=LIVE):
    """Tells of a run that begins meanwhile."""

    def __init__(self, run: int | None, *, follow: bool) -> None:
        """Look out for a run that is newer than `run`, or any if it is None.

        With `follow`, the page goes there when `run` is over.
        """
        super().__init__()
        self._props |= {"run": run, "follow": follow}
