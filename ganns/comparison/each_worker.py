"""Measure each worker's influence on some rounds: the distance to a replay without its units.

Both replays are computed here, so a wrong result counts as the right one of the same unit: the influence is that of a
worker's images and noise, not that of a lie. (A lie shows where the unchanged replay leaves the run: `replay.py`.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ganns.comparison.change import Change
from ganns.comparison.replay import apart, branched, copied, replayable
from ganns.comparison.versions import reach, schedule_of
from ganns.data import ImageSet
from ganns.store.kept_versions import KeptVersions
from ganns.training.solo import train_recorded


@dataclass(frozen=True)
class PersonsInfluence:
    """Tells how far the last version is from the one without a person's units."""

    person: str
    units: int
    images: int
    distance: float  # of the weights, relative
    of_the_way: float  # this, divided by how far the weights went


def measure_each(
    kept: KeptVersions,
    images: ImageSet,
    version: int,
    num_rounds: int,
    say: Callable[[str], None] = lambda text: None,
) -> list[PersonsInfluence]:
    """Replay rounds once as they were, and once without each person; return the largest influence first.

    Raises:
        RunError: if the version cannot be had, or no round follows it.
    """
    rounds = replayable(kept, version, num_rounds)
    state = reach(kept, images, version, say)
    start, beginning = copied(state.weights()), branched(state, kept.config)
    for _ in train_recorded(kept.config, images, state, schedule_of(rounds)):
        pass
    units = [unit for one in rounds.values() for unit in one.units.values()]
    found = []
    for person in sorted({unit.author.person for unit in units}):
        theirs = [unit.slice.num_images for unit in units if unit.author.is_called(person)]
        say(f"replaying without {person}, {len(theirs)} of {len(units)} units")
        other = branched(beginning, kept.config)
        for _ in train_recorded(kept.config, images, other, Change((person,), drop=True).schedule(rounds)):
            pass
        found.append(
            PersonsInfluence(person, len(theirs), sum(theirs), **apart(state.weights(), other.weights(), start))
        )
    return sorted(found, key=lambda one: -one.distance)
