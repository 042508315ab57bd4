"""The moving parts of a run's page; its curves are in `chart.py`."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from ganns.dashboard.components import Component

SPEEDS = ("images_per_s", "rounds_per_min", "left_s", "machines")
"""Figures of a run that goes on; of one that rests they would be old."""


@dataclass(frozen=True)
class Figure:
    """One number, in large type, with its label below. `key` is a key of the message "run"."""

    label: str
    key: str
    format: str = "number"
    """One of `formats` in `lib/format.js`: number, decimal, seconds, percent, bytes."""
    title: str = ""
    """The meaning of the number, shown when the pointer rests on it."""


class OfRun(Component):
    """A component that shows one run, which the page must watch (`frame(..., live="run=7")`)."""

    def __init__(self, run: int) -> None:
        """Show `run`."""
        super().__init__(run=run)


class RunState(OfRun, component="run_state.js"):
    """The run's state in words, the command to type if there is one, its progress, and its numbers."""

    def __init__(self, run: int, figures: tuple[Figure, ...]) -> None:
        """Show `run` with these numbers."""
        super().__init__(run)
        self._props |= {"figures": [asdict(one) for one in figures], "speeds": SPEEDS}


class Projector(OfRun, component="projector.js"):
    """The newest faces, the state and the figures, as large as a screen allows; a chart is placed inside."""

    def __init__(self, run: int, name: str, figures: tuple[Figure, ...]) -> None:
        """Show `run` with its name and these numbers."""
        super().__init__(run)
        self._props |= {"name": name, "figures": [asdict(one) for one in figures], "speeds": SPEEDS}


class Samples(OfRun, component="samples.js"):
    """The grids of samples: the newest one, or any other by slider, by arrow keys, or as a film."""


class Attributes(OfRun, component="attributes.js"):
    """Sliders for the attributes of a conditional model, and the faces that it draws with them; else nothing."""


class Units(OfRun, component="units.js"):
    """The open rounds, unit by unit, and the last closed round."""


class Costs(OfRun, component="costs.js"):
    """The cost of a round: time by what it was spent on, and bytes sent in total."""
