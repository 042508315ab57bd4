"""The cache of a worker process for evaluations: the generator, and the feature network.

As with `tasks.run_cache`, a result never depends on it.
"""

from __future__ import annotations

import functools

import torch
from torch import nn

from ganns.config import Config, from_dict
from ganns.db.pieces import LinkSpeed
from ganns.evaluation import batches
from ganns.evaluation.features import feature_network
from ganns.store import evaluations, worker_api
from ganns.training.serialization import unpack
from tasks.weights_cache import Use, download_if_there


class EvaluationCache:
    """The evaluation that this worker takes part in."""

    def __init__(self, device: torch.device) -> None:
        """Begin with an empty cache."""
        self.device = device
        self._run: tuple[int, Config, nn.Module] | None = None
        self._generator: tuple[str, nn.Module, torch.Tensor | None] | None = None

    def prepare(self, use: Use, run_id: int, evaluation: str, speed: LinkSpeed) -> bool:
        """Fetch the networks that are not here yet, over connections that `use` yields.

        Returns:
            False if the evaluation is over.
        """
        if self._run is None or self._run[0] != run_id:
            self._generator = None
            with use() as conn:
                config = from_dict(worker_api.get_run_info(conn, run_id).config)
            stored = download_if_there(use, evaluations.feature_network_download(run_id, speed.down), speed)
            self._run = run_id, config, feature_network(run_id, config, stored).to(self.device)
        if self._generator is None or self._generator[0] != evaluation:
            found = download_if_there(use, evaluations.generator_download(evaluation, speed.down), speed)
            if found is None:
                return False
            tensors = unpack(*found)
            network = batches.build_generator(self._run[1], tensors).to(self.device)
            self._generator = evaluation, network, tensors.get(batches.LABELS)
        return True

    def compute(self, start: int, count: int) -> bytes:
        """Draw images `start` to `start + count`, and return their features (and some pixels) as bytes."""
        assert self._run is not None
        assert self._generator is not None
        _, config, network = self._run
        _, generator, labels = self._generator
        pixels = batches.draw(config, generator, start, count, labels)
        return batches.encode(batches.extract(pixels, network, start))


@functools.cache
def get_evaluation_cache(device: torch.device) -> EvaluationCache:
    """Return the cache of this process."""
    return EvaluationCache(device)
