"""Choose codec and units of a new run by the workers that are present: `codec=auto`, `strategy=auto`, or `link=auto`.

It is chosen once, when the run is created. The choice is stored in place of `auto`: a run that is resumed, or computed
again, has the same units, whichever workers are present then.

A round waits for its slow workers, and one phone in a tunnel must not decide alone: so the median of the slowest third
counts. For the codec these are the slowest links, for the units those who transfer for the longest time.

For each unit a worker fetches the weights, computes, and uploads a result. The bytes are the same for small units and
for large ones, so larger units make the transfers a smaller share of the time. A worker that computes for nine times as
long as it transfers computes for 0.9 of its time (with four times, it would be 0.8).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace

from ganns.config import (
    AutoCodec,
    AutoStrategy,
    CodecConfig,
    Config,
    Fp32Codec,
    HomeCodec,
    Int8Codec,
    LocalStepsStrategy,
)
from ganns.db.connect import Connection
from ganns.queue.machine import figures_of
from ganns.queue.rescue import SILENT_S
from ganns.store import lease
from ganns.training.traffic import Traffic, traffic_of

EXACT_MBIT, INT8_MBIT = 100.0, 20.0
"""From these speeds on `fp32` or `int8` is chosen; docs/explain/compression.md has the table."""
TIMES = 9
"""Seconds of computing for a second of transfers."""
FEWEST, MOST = 256, 8192
"""Images of a unit. Fewer give hardly any local steps; with more, the workers' networks move far apart in a round."""


def chosen_by_workers(conn: Connection, config: Config, num_images: int, say: Callable[[str], None]) -> Config:
    """Return a configuration without `auto`.

    Args:
        conn: a connection.
        config: the new run's.
        num_images: images of its data set.
        say: is told what was chosen, and why.
    """
    if not isinstance(config.codec, AutoCodec) and not isinstance(config.strategy, AutoStrategy):
        return config
    figures = [figures_of(info) for info in lease.list_infos(conn, SILENT_S)]
    if isinstance(config.codec, AutoCodec):
        config = replace(config, codec=codec_for(slowest_third(figures)))
        say(f"codec=auto is codec={config.codec.name} for the workers that are there now")
    if isinstance(strategy := config.strategy, AutoStrategy):
        found = choose_units(figures, traffic_of(config), micro_batch=strategy.micro_batch, num_images=num_images)
        nobody = f"a unit has {strategy.unit_images:,} images, since no worker has measured its link and its speed yet"
        unit_images, sentence = found or (strategy.unit_images, nobody)
        say(f"strategy=auto: {sentence}")
        values = asdict(strategy) | {"name": "local_steps", "unit_images": unit_images}
        config = replace(config, strategy=LocalStepsStrategy(**values))
    return config


def codec_for(mbit: float | None) -> CodecConfig:
    """Return the codec for a link; None: nothing is known of it."""
    if mbit is None or mbit < INT8_MBIT:
        return HomeCodec()
    return Fp32Codec() if mbit >= EXACT_MBIT else Int8Codec()


def slowest_third(figures: Iterable[Mapping[str, float]]) -> float | None:
    """Return the median of the slowest third of the links, in Mbit/s.

    Args:
        figures: `ganns.queue.machine.FIGURES` of each worker. A link counts by its slower direction.

    Returns:
        The speed; None if no worker has measured its link.
    """
    links = ([one[way] for way in ("up_mbit", "down_mbit") if way in one] for one in figures)
    found = sorted(min(link) for link in links if link)
    return statistics.median(found[: math.ceil(len(found) / 3)]) if found else None


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
