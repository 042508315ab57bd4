"""One evaluation of a version: a group of tasks for the workers, or computed in this process.

The coordinator uses it on a thread (`evaluation_thread.py`), and `ganns evaluate` uses it for any run.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import nn

from ganns.config import Config
from ganns.coordinator.evaluation_audit import check_parts
from ganns.coordinator.verdict import Verdict
from ganns.data import images_of
from ganns.db.connect import Connection
from ganns.errors import DataError, PayloadError, ResultTimeout
from ganns.evaluation import batches
from ganns.evaluation.features import Stopped, attribute_network, feature_network, features_of, to_bytes
from ganns.evaluation.metrics import compare
from ganns.evaluation.ranking import DISTANCES
from ganns.queue.canvas import group
from ganns.queue.results import AsyncResult, GroupResult
from ganns.queue.signature import signature
from ganns.store import evaluations
from ganns.store.evaluations import QUEUE, TASK
from ganns.training.serialization import pack

TIMEOUT_S = 600.0
"""An evaluation that takes longer is given up: its workers have left, or compute units."""
JOIN_S = 60.0  # to fetch the results
POLL_S = 0.3
PRIORITY = -1  # units come first


class Evaluator:
    """Evaluates versions of one run."""

    def __init__(
        self,
        conn: Connection,
        run_id: int,
        config: Config,
        say: Callable[[str], None],
        report: Callable[[Sequence[Verdict]], None] = lambda verdicts: None,
    ) -> None:
        """Use an open connection; `report` gets the audits. The networks and images are loaded by `prepare`."""
        self.conn, self.run_id, self.config, self.say, self.report = conn, run_id, config, say, report
        self._real: tuple[torch.Tensor, torch.Tensor] | None = None
        self._labels: torch.Tensor | None = None  # of the real images, if the networks are conditional

    def prepare(self, should_stop: Callable[[], bool] = lambda: False) -> None:
        """Make sure that the run has a feature network, and compute the features of the real images, once.

        Raises:
            Stopped: `should_stop` ended the training of the network.
            DataError: if there are no held-out images to compare with.
            MissingExtra: if Inception is not installed here.
        """
        if self._real is not None:
            return
        settings = self.config.evaluate
        real = images_of(self.config)
        count = min(settings.images, real.num_holdout)
        if count < 2:
            raise DataError(f"there are {real.num_holdout} held-out images to compare with; see data.holdout.")
        if settings.features == "attributes" and self._stored_network() is None:
            self.say("preparing the feature network; it learns faces for some seconds, once on each machine")
            network_bytes, accuracy = attribute_network(self.config.model.image_size, should_stop)
            evaluations.put_feature_network(self.conn, self.run_id, network_bytes, accuracy)
        network = feature_network(self.run_id, self.config, self._stored_network())
        pixels, self._labels = to_bytes(real.holdout(count)), real.holdout_labels(count)
        self._real = features_of(network, pixels), pixels[: batches.NUM_COMPARED]

    def _stored_network(self) -> tuple[bytes, str] | None:
        return evaluations.stored_feature_network(self.conn, self.run_id)

    def over_workers(
        self,
        version: int,
        state: Mapping[str, torch.Tensor],
        should_stop: Callable[[], bool],
        generation: int | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> dict[str, float] | None:
        """Let the workers draw images and compute features; store and return the metrics, or None if told to stop.

        Args:
            version: its number.
            state: its tensors, see `TrainingState.tensors`.
            should_stop: asked a few times a second.
            generation: the coordinator's, so that the next coordinator can clean up.
            timeout_s: how long to wait for the workers.

        Raises:
            ResultTimeout: the workers did not finish in time.
            TaskFailed: a part failed on every worker that tried it.
        """
        begun = time.monotonic()
        try:
            self.prepare(should_stop)
        except Stopped:
            return None
        if should_stop():
            return None
        evaluation = evaluations.put_generator(
            self.conn, self.run_id, generation, pack(batches.averaged_generator(self.config, state, self._labels))
        )
        parts = group(
            signature(
                TASK,
                kwargs={"run": self.run_id, "evaluation": str(evaluation), "start": start, "count": count},
                queue=QUEUE,
                priority=PRIORITY,
                expires=timeout_s,
            )
            for start, count in batches.parts(self.config.evaluate.images)
        ).apply_async(connection=self.conn)
        try:
            if not _wait(parts, should_stop, begun + timeout_s):
                return None
            found, verdicts = check_parts(
                self.conn,
                self.run_id,
                self.config,
                version,
                parts.job_ids,
                parts.join(timeout=JOIN_S),
                self._drawer(state),
            )
            self.report(verdicts)
        finally:
            evaluations.forget_generator(self.conn, evaluation)
            parts.revoke()
            parts.forget()
        return self._assemble(version, found, begun)

    def here(self, version: int, state: Mapping[str, torch.Tensor]) -> dict[str, float]:
        """Draw images and compute features in this process; store and return the metrics."""
        begun = time.monotonic()
        self.prepare()
        compute = self._drawer(state)
        found = [compute(index) for index in range(len(batches.parts(self.config.evaluate.images)))]
        return self._assemble(version, found, begun)

    def _drawer(self, state: Mapping[str, torch.Tensor]) -> Callable[[int], batches.Tensors]:
        """Return a function that computes a part here, by its index; the networks are built at its first call."""

        @functools.cache
        def networks() -> tuple[nn.Module, nn.Module]:
            generator = batches.build_generator(self.config, batches.averaged_generator(self.config, state))
            return generator, feature_network(self.run_id, self.config, self._stored_network())

        def compute(index: int) -> batches.Tensors:
            generator, network = networks()
            start, count = batches.parts(self.config.evaluate.images)[index]
            return batches.extract(batches.draw(self.config, generator, start, count, self._labels), network, start)

        return compute

    def _assemble(self, version: int, parts: list[batches.Tensors], begun: float) -> dict[str, float]:
        try:
            features, pixels = batches.join(parts)
        except (KeyError, RuntimeError) as error:
            raise PayloadError(f"The parts of an evaluation do not fit together ({error}).") from error
        assert self._real is not None
        metrics = compare(features, pixels, *self._real)
        evaluations.put_evaluation(
            self.conn,
            self.run_id,
            version,
            features=self.config.evaluate.features,
            images=self.config.evaluate.images,
            metrics=metrics,
            seconds=time.monotonic() - begun,
        )
        return metrics


def describe(metrics: Mapping[str, float]) -> str:
    """Return the numbers for a line: "fid 1.2, swd 21.3, precision 0.8, recall 0.6"."""
    shown = (*DISTANCES, "precision", "recall")
    return ", ".join(f"{name} {metrics[name]:.3g}" for name in shown if name in metrics)


def _wait(parts: GroupResult, should_stop: Callable[[], bool], until: float) -> bool:
    """Wait for all parts without fetching them (they are large); return False if told to stop.

    Raises:
        ResultTimeout: they did not come in time.
    """
    pending: list[AsyncResult] = list(parts)
    while True:
        while pending and pending[0].ready():
            pending.pop(0)
        if not pending:
            return True
        if should_stop():
            return False
        if time.monotonic() > until:
            raise ResultTimeout(f"{len(pending)} of {len(parts)} parts of the evaluation did not come in time.")
        time.sleep(POLL_S)
