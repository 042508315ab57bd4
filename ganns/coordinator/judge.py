"""Compute a unit in the coordinator, to learn whether a refused result is its worker's fault or the model's.

It happens on a thread, while the round goes on. The networks and images are loaded at the first need: most runs never
have one. A coordinator on a machine without the run's images cannot judge.
"""

from __future__ import annotations

import functools
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from ganns.config import Config
from ganns.data import ImageSet, images_of
from ganns.errors import BadResult
from ganns.store.rounds import Unit
from ganns.store.runs import Run
from ganns.training.bounds import Size, check_metrics, measure
from ganns.training.compression import get_codec
from ganns.training.parts import through_codec
from ganns.training.published import as_published
from ganns.training.seeds import permutation
from ganns.training.state import Tensors, TrainingState
from ganns.training.strategies import build_computer
from ganns.training.unit import UnitComputer

Own = dict[str, Size] | BadResult
"""The coordinator's own result of a unit: the sizes of its parts by role, or the reason why it would be refused."""


@dataclass
class Judge:
    """Computes units of a run's open round."""

    run: Run
    config: Config
    cannot: str | None = None  # why this machine cannot compute units of the run
    _asked: dict[int, Future[Own | None]] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="judge"))

    def ask(self, state: TrainingState, unit: Unit, config: Config) -> None:
        """Compute a unit of the state's round, whose configuration is `config`, unless that was asked before."""
        if unit.unit not in self._asked:
            weights = {name: value.clone() for name, value in state.weights_of(state.base_version).items()}
            work = functools.partial(self._compute, state.progress.version, unit, config, weights, self._stop)
            self._asked[unit.unit] = self._pool.submit(work)

    def answer(self, unit: int) -> Own | None:
        """Return the own result of a unit; None if it is not there yet, or cannot be computed here."""
        asked = self._asked.get(unit)
        return asked.result() if asked is not None and asked.done() else None

    def begin(self) -> None:
        """Forget the units of the round that was closed, and stop computing them."""
        self._stop.set()
        self._stop, self._asked = threading.Event(), {}

    def close(self) -> None:
        """Stop."""
        self._stop.set()
        self._pool.shutdown(wait=True, cancel_futures=True)

    @functools.cached_property
    def _computer(self) -> UnitComputer:
        return build_computer(self.config)

    @functools.cached_property
    def _images(self) -> ImageSet:
        images = images_of(self.config)
        images.check(self.run.fingerprint)
        return images

    def _compute(self, version: int, unit: Unit, config: Config, weights: Tensors, stop: threading.Event) -> Own | None:
        try:
            epoch, start, count = unit.slice
            order = permutation(self.config.seed, epoch, self._images.num_train)
            self._computer.load(as_published(weights, self.config.codec.down))
            self._computer.config = config
            seed_parts = (self.config.seed, version, unit.unit)
            chosen = order[start : start + count]
            images, labels = self._images.train(chosen), self._images.labels(chosen)
            result = self._computer.compute(images, seed_parts, should_stop=stop.is_set, labels=labels)
            if result is None:
                return None  # the round was closed
            check_metrics(result.metrics)
            parts = through_codec(result, get_codec(self.config.codec.up), seed_parts).parts
            networks = self._computer.networks
            return {role: measure(part, role, networks[role], config, count) for role, part in parts.items()}
        except BadResult as error:
            return error
        except Exception as error:  # no images, or others; a plug-in that raises
            self.cannot = f"{type(error).__name__}: {error!s:.200}"
            return None
