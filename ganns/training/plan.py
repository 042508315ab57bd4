"""Plan the images of a round's units, and the end of a run; without torch and database.

An epoch is a permutation of the images, cut into slices. Each unit of a round covers a slice of its own,
spares included. Slices of units that were not accepted are carried, unchanged, into the next round, before new
ones: so the accepted slices together cover every epoch exactly once, whatever was late or lost.

With `strategy.pipeline` the next round is planned while this one is still open. The slices that this one leaves over
come too late for it, and are held until the round after it is planned.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from ganns.config import Config, StopConfig


class Slice(NamedTuple):
    """Positions [start, start + num_images) of an epoch's permutation."""

    epoch: int
    start: int
    num_images: int


@dataclass(frozen=True)
class Cursor:
    """A run's position in the epochs: the next new slice, and the slices that still wait to be accepted."""

    epoch: int = 0
    start: int = 0  # of the next new slice, within the epoch: units need not be equally large (`per_class`)
    carried: tuple[Slice, ...] = ()
    held: tuple[Slice, ...] = ()  # carried too, but not into the next round, which is planned already

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary, the inverse of `from_json`."""
        return {
            "epoch": self.epoch,
            "start": self.start,
            "carried": [list(one) for one in self.carried],
            "held": [list(one) for one in self.held],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any], unit_images: int) -> Cursor:
        """Return the cursor that `to_json` wrote; older versions counted slices of `unit_images`."""
        start = data["start"] if "start" in data else data["position"] * unit_images
        carried, held = (tuple(Slice(*one) for one in data.get(name, [])) for name in ("carried", "held"))
        return cls(data["epoch"], start, carried, held)


def slice_bounds(num_images: int, size: int) -> list[tuple[int, int]]:
    """Cut `num_images` into (start, count) of `size` images each; the last may be shorter.

    A rest of a single image joins the slice before it: BatchNorm cannot normalise a batch of one.
    """
    bounds, start = [], 0
    while start < num_images:
        bounds.append((start, next_count(num_images - start, size)))
        start += bounds[-1][1]
    return bounds


def next_count(left: int, size: int) -> int:
    """Return the number of images of the next slice, of the `left` ones that are not cut yet."""
    return size if left - size >= 2 else left


def plan_round(
    cursor: Cursor, num_units: int, *, num_images: int, unit_images: int, epochs: int | None = None
) -> tuple[list[Slice], Cursor]:
    """Choose a round's slices: the carried ones first, then new ones, also across the end of an epoch.

    Args:
        cursor: the run's position.
        num_units: number of units of the round (quorum + spares).
        num_images: images in the training set.
        unit_images: images of a unit.
        epochs: the run ends after this number of epochs; None for no such end.

    Returns:
        The slices, which are fewer than `num_units` (or none) only at the end of the run's last epoch; and the
        cursor behind them, which carries the slices that were held, and those for which there was no unit.
    """
    chosen, carried = list(cursor.carried[:num_units]), cursor.carried[num_units:]
    epoch, start = cursor.epoch, cursor.start
    while len(chosen) < num_units and (epochs is None or epoch < epochs):
        count = next_count(num_images - start, unit_images)
        chosen.append(Slice(epoch, start, count))
        start += count
        if start == num_images:
            epoch, start = epoch + 1, 0
    return chosen, Cursor(epoch, start, (*cursor.held, *carried))


def carry(cursor: Cursor, not_accepted: list[Slice]) -> Cursor:
    """Put the slices of units that were not accepted before the slices that the cursor carries already."""
    return replace(cursor, carried=(*not_accepted, *cursor.carried))


def hold(cursor: Cursor, not_accepted: list[Slice]) -> Cursor:
    """Hold the slices of units that were not accepted, since the next round is open already."""
    return replace(cursor, held=(*not_accepted, *cursor.held))


def ends(
    stop: StopConfig, version: int, images: int, seconds: float, num_images: int
) -> dict[str, tuple[float, float]]:
    """Return (done, goal) for each end that a run has, by setting; `num_images` is an epoch's, 0 if not known."""
    rounds, epochs, minutes = stop.rounds or 0, stop.epochs or 0, stop.minutes or 0
    found = {"rounds": (version, rounds), "epochs": (images, epochs * num_images), "minutes": (seconds, 60 * minutes)}
    return {name: (done, goal) for name, (done, goal) in found.items() if goal}


def share_done(ends: dict[str, tuple[float, float]]) -> float:
    """Return the share of the run that is done, in [0, 1], by the end that is the nearest."""
    return min(1.0, max((done / goal for done, goal in ends.values()), default=0.0))


def num_steps(config: Config) -> int:
    """Return H, the number of steps of each network in a full unit."""
    return len(step_bounds(config.strategy.unit_images, config.strategy.micro_batch))


def step_bounds(num_images: int, size: int) -> list[tuple[int, int]]:
    """Cut a unit's images into (start, count) for each step; a rest below half a step joins the step before.

    Each step moves the weights equally far, so a step on two images would be mostly noise.
    """
    bounds = slice_bounds(num_images, size)
    if len(bounds) > 1 and bounds[-1][1] < size / 2:
        (start, count), (_, rest) = bounds[-2:]
        bounds[-2:] = [(start, count + rest)]
    return bounds
