"""Ten laptops, one of them slow: rounds with different quorums and units, as a Gantt chart.

A model, not a measurement: a unit takes its laptop's seconds, a worker begins the next unit at once, and the
coordinator needs a second between two rounds. `python -m docs.figures.quorum` prints the table of the page.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from docs.figures.drawing import INK, RED

SECONDS = (11.0, 11.4, 11.7, 12.0, 12.2, 12.5, 12.7, 13.0, 13.4, 40.0)
"""How long each laptop computes a unit of UNIT_IMAGES images."""
UNIT_IMAGES = 64
STEP_S = 1.0
"""The coordinator's step, between the end of a round and the next one."""
SHOWN_S = 62.0
NUM_ROUNDS = 200


@dataclass(frozen=True)
class Setting:
    """How a round is cut, and when it closes."""

    title: str
    units: int  # that close a round
    spares: int
    images: int  # of a unit


SETTINGS = (
    Setting("quorum 10, no spare", 10, 0, 64),
    Setting("quorum 9, 1 spare", 9, 1, 64),
    Setting("smaller units: quorum 36, 4 spares, 16 images each", 36, 4, 16),
)


@dataclass(frozen=True)
class Bar:
    """A unit that a laptop computes."""

    laptop: int
    begin: float
    end: float
    accepted: bool


@dataclass
class Result:
    """The rounds of a setting."""

    bars: list[Bar] = field(default_factory=list)
    closed: list[float] = field(default_factory=list)  # when each round closed
    setting: Setting = SETTINGS[0]

    @property
    def round_s(self) -> float:
        """Seconds from one round's begin to the next one's."""
        return (self.closed[-1] + STEP_S) / len(self.closed)

    @property
    def images_per_s(self) -> float:
        """Images that were accepted, for each second."""
        return self.setting.units * self.setting.images / self.round_s

    @property
    def lost(self) -> float:
        """The fraction of the computing time that was for units that were not accepted."""
        spent = [bar.end - bar.begin for bar in self.bars]
        return sum(s for s, bar in zip(spent, self.bars, strict=True) if not bar.accepted) / sum(spent)

    @property
    def slow_share(self) -> float:
        """The fraction of the accepted units that the slow laptop computed."""
        accepted = [bar.laptop for bar in self.bars if bar.accepted]
        return accepted.count(len(SECONDS) - 1) / len(accepted)


def simulate(setting: Setting, num_rounds: int = NUM_ROUNDS) -> Result:
    """Return the rounds of a setting."""
    result, now = Result(setting=setting), 0.0
    for _ in range(num_rounds):
        free = [(now, laptop) for laptop in range(len(SECONDS))]
        heapify(free)
        ends: list[tuple[float, float, int]] = []
        for _ in range(setting.units + setting.spares):
            begin, laptop = heappop(free)
            end = begin + SECONDS[laptop] * setting.images / UNIT_IMAGES
            ends.append((end, begin, laptop))
            heappush(free, (end, laptop))
        ends.sort()
        closed = ends[setting.units - 1][0]
        result.bars += [Bar(laptop, begin, end, accepted=True) for end, begin, laptop in ends[: setting.units]]
        # Those that still compute are asked to stop.
        stopped = [one for one in ends[setting.units :] if one[1] < closed]
        result.bars += [Bar(laptop, begin, closed, accepted=False) for _, begin, laptop in stopped]
        result.closed.append(closed)
        now = closed + STEP_S
    return result


def table() -> list[tuple[str, str, str, str, str]]:
    """Return the rows of the page's table."""
    rows = []
    for setting in SETTINGS:
        one = simulate(setting)
        rows.append(
            (
                setting.title,
                f"{one.round_s:.1f} s",
                f"{one.images_per_s:.1f}",
                f"{one.lost:.0%}",
                f"{one.slow_share:.1%}",
            )
        )
    return rows


def figure() -> Figure:
    """Draw them."""
    drawn = Figure(figsize=(9.2, 7.4))
    for axes, setting in zip(drawn.subplots(len(SETTINGS), 1, sharex=True), SETTINGS, strict=True):
        _gantt(axes, simulate(setting, 40))
    axes.set_xlabel("seconds")
    drawn.tight_layout()
    return drawn


def _gantt(axes: Axes, result: Result) -> None:
    for bar in result.bars:
        if bar.begin < SHOWN_S:
            fill, hatch = ("#8fc48f", "") if bar.accepted else ("#f4c28c", "///")
            width = min(bar.end, SHOWN_S) - bar.begin
            axes.barh(bar.laptop + 1, width, 0.72, bar.begin, color=fill, edgecolor=INK, linewidth=0.5, hatch=hatch)
    for at in result.closed:
        if at < SHOWN_S:
            axes.axvline(at, color=RED, linewidth=1.1)
    axes.set(xlim=(0, SHOWN_S), ylim=(10.6, 0.4), yticks=range(1, 11))
    axes.set_ylabel("laptop")
    axes.set_title(
        f"{result.setting.title}: {result.round_s:.1f} s a round, {result.images_per_s:.0f} images/s", loc="left"
    )
    axes.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    for row in table():
        print("| " + " | ".join(row) + " |")
