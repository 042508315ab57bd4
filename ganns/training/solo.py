"""Train the same configuration in one process, without a database: `ganns solo`.

It computes the same units in the same rounds with the same code as a class of workers; under the same
conditions (one thread, memory format, torch build) the weights are equal bit for bit. The tests compare the distributed
system with it. Here you can read the algorithm alone, without the code for the distribution.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

import numpy as np

from ganns.config import Config
from ganns.data import ImageSet
from ganns.training.aggregation import build_totals, weighted_metrics
from ganns.training.compression import get_codec
from ganns.training.parts import check_part, through_codec
from ganns.training.per_class import choose, is_per_class
from ganns.training.plan import Cursor, Slice, plan_round
from ganns.training.published import as_published
from ganns.training.round_settings import RecordedRound, in_round
from ganns.training.seeds import permutation
from ganns.training.state import Progress, TrainingState, finished
from ganns.training.strategies import build_computer


def train_solo(config: Config, images: ImageSet, state: TrainingState) -> Iterator[dict[str, float]]:
    """Advance `state` round by round until the end that `config.stop` sets, and yield each round's metrics.

    With `strategy.per_class` the settings are those of a class of `quorum.units` workers, from beginning to end.
    """
    alone = _Alone(config, images, state)
    settings = choose(config, config.quorum.units) if is_per_class(config) else None
    while not finished(config, state.progress):
        slices, cursor = plan_round(
            state.progress.cursor,
            config.quorum.units,
            num_images=images.num_train,
            unit_images=(settings or config.strategy).unit_images,
            epochs=config.stop.epochs,
        )
        if not slices:
            return
        yield alone.train(RecordedRound(settings, dict(enumerate(slices))), cursor)


def train_recorded(
    config: Config, images: ImageSet, state: TrainingState, schedule: Iterable[RecordedRound]
) -> Iterator[dict[str, float]]:
    """Advance `state` through the rounds that a run recorded, and yield each round's metrics.

    It is the same training again, whatever happened to the run: its workers came and went, units were late, an
    instructor changed the quorum. Only which results were accepted, and the settings in the rounds' rows, matter.
    A round without results makes no step.
    """
    alone = _Alone(config, images, state)
    for one in schedule:
        yield alone.train(one, state.progress.cursor) if one.slices else alone.stay()


class _Alone:
    """Computes rounds of a run in this process."""

    def __init__(self, config: Config, images: ImageSet, state: TrainingState) -> None:
        self.config, self.images, self.state = config, images, state
        self.computer, self.codec = build_computer(config), get_codec(config.codec.up)
        self.started, self.before = time.monotonic(), state.progress.seconds
        self.order: tuple[int, np.ndarray] = (-1, np.empty(0, np.int64))

    def train(self, this: RecordedRound, cursor: Cursor) -> dict[str, float]:
        """Compute a round's units, and advance the state, whose cursor is then `cursor`; return the metrics."""
        state, seed = self.state, self.config.seed
        config = self.computer.config = in_round(self.config, this.settings, state.progress.version)
        # With strategy.pipeline, those of the version before
        self.computer.load(as_published(state.weights_of(state.base_version), self.config.codec.down))
        totals = build_totals(config.aggregate, state.norms)
        reports = []
        for unit, one in sorted(this.slices.items()):
            chosen = self._chosen(one)
            seed_parts = (seed, state.progress.version, unit)
            result = self.computer.compute(self.images.train(chosen), seed_parts, labels=self.images.labels(chosen))
            assert result is not None  # `should_stop` is never true here
            for role, part in through_codec(result, self.codec, seed_parts).parts.items():
                check_part(part, state.networks[role], config.aggregate.max_norm)
                totals[role].add(part, one.num_images)
            reports.append((one.num_images, result.metrics))
        seen = state.progress.images + sum(count for count, _ in reports)
        seconds = self.before + time.monotonic() - self.started
        state.advance(totals, Progress(0, seen, seconds, cursor), config)
        return {"round": state.progress.version, "images": seen, **weighted_metrics(reports)}

    def stay(self) -> dict[str, float]:
        """Go on to the next version without a step; return the metrics, without losses."""
        self.state.stay()
        return {"round": self.state.progress.version, "images": self.state.progress.images}

    def _chosen(self, one: Slice) -> np.ndarray:
        if self.order[0] != one.epoch:
            self.order = (one.epoch, permutation(self.config.seed, one.epoch, self.images.num_train))
        return self.order[1][one.start : one.start + one.num_images]
