"""Train the same configuration in one process, without a database: `ganns solo`.

It computes the same units in the same rounds with the same code as a class of workers; under the same
conditions (one thread, memory format, torch build) the weights are equal bit for bit. The tests compare the distributed
system with it. Here you can read the algorithm alone, without the code for the distribution.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from ganns.config import Config
from ganns.data import ImageSet
from ganns.training.aggregation import build_totals, weighted_metrics
from ganns.training.compression import get_codec
from ganns.training.parts import check_part, through_codec
from ganns.training.plan import plan_round
from ganns.training.seeds import permutation
from ganns.training.state import Progress, TrainingState, finished
from ganns.training.strategies import build_computer


def train_solo(config: Config, images: ImageSet, state: TrainingState) -> Iterator[dict[str, float]]:
    """Advance `state` round by round until the end that `config.stop` sets, and yield each round's metrics."""
    computer, codec = build_computer(config), get_codec(config.codec.name)
    started, before = time.monotonic(), state.progress.seconds
    order: tuple[int, np.ndarray] = (-1, np.empty(0, np.int64))
    while not finished(config, state.progress):
        slices, cursor = plan_round(
            state.progress.cursor,
            config.quorum.units,
            num_images=images.num_train,
            unit_images=config.strategy.unit_images,
            epochs=config.stop.epochs,
        )
        if not slices:
            return
        computer.load(state.weights_of(state.base_version))  # with strategy.pipeline, those of the version before
        totals = build_totals(config.aggregate)
        reports = []
        for unit, (epoch, start, count) in enumerate(slices):
            if order[0] != epoch:
                order = (epoch, permutation(config.seed, epoch, images.num_train))
            chosen = order[1][start : start + count]
            seed_parts = (config.seed, state.progress.version, unit)
            result = computer.compute(images.train(chosen), seed_parts, labels=images.labels(chosen))
            assert result is not None  # `should_stop` is never true here
            for role, part in through_codec(result, codec).parts.items():
                check_part(part, state.networks[role], config.aggregate.max_norm)
                totals[role].add(part, count)
            reports.append((count, result.metrics))
        seen = state.progress.images + sum(one.num_images for one in slices)
        state.advance(totals, Progress(0, seen, before + time.monotonic() - started, cursor))
        yield {"round": state.progress.version, "images": seen, **weighted_metrics(reports)}
