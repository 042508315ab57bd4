"""Choose the images of a unit by the workers that are there when the run is created: `strategy=auto`.

For each unit a worker fetches the weights, computes, and uploads a result. The bytes are the same for small units and
for large ones, so larger units make the transfers a smaller share of the time. A worker that computes for nine times as
long as it transfers computes for 0.9 of its time (with four times, it would be 0.8).

A round waits for its slow workers, and one phone in a tunnel must not decide alone: so the median of the slowest third
counts, as for `codec=auto`. Here the slowest are those who transfer for the longest time.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping

from ganns.training.traffic import Traffic

TIMES = 9
"""Seconds of computing for a second of transfers."""
FEWEST, MOST = 256, 8192
"""Images of a unit. Fewer give hardly any local steps; with more, the workers' networks move far apart in a round."""


def choose_units(
    figures: Iterable[Mapping[str, float]], traffic: Traffic, *, micro_batch: int, num_images: int
) -> tuple[int, str] | None:
    """Return the images of a unit, in whole micro-batches, and a sentence that says why.

    Args:
        figures: `ganns.queue.machine.FIGURES` of each worker; those that lack one do not count.
        traffic: bytes of a round for each worker.
        micro_batch: images of a step.
        num_images: images of the data set; no unit has more.

    Returns:
        None: no worker has measured all three figures.
    """
    paces = sorted(
        (8e-6 * (traffic.up / one["up_mbit"] + traffic.down / one["down_mbit"]), one["images_per_s"])
        for one in figures
        if {"up_mbit", "down_mbit", "images_per_s"} <= one.keys()
    )
    if not paces:
        return None
    slowest = paces[-math.ceil(len(paces) / 3) :]
    transfer_s = statistics.median(seconds for seconds, _ in slowest)
    needed = statistics.median(TIMES * seconds * images_per_s for seconds, images_per_s in slowest)

    most = max(min(MOST, num_images) // micro_batch, 1) * micro_batch
    fewest = min(math.ceil(FEWEST / micro_batch) * micro_batch, most)
    wanted = math.ceil(needed / micro_batch) * micro_batch
    chosen = min(max(wanted, fewest), most)
    bound = "" if chosen == wanted else ", the most" if chosen < wanted else ", the fewest"
    return chosen, (
        f"a unit has {chosen:,} images{bound}: the slowest third of {len(paces)} measured workers transfers for "
        f"{transfer_s:.2g} s in a round, and computes {needed:,.0f} images in {TIMES} times as long"
    )
