"""Draw with several runs' last checkpoints, from the same noise, and measure how far that is from real images."""

from __future__ import annotations

import torch

from ganns.config import from_dict
from ganns.data import ImageSet, open_images
from ganns.evaluation.swd import sliced_wasserstein
from ganns.training.seeds import generator
from ganns.training.state import TrainingState

NUM_JUDGED = 500  # generated and held-out images that the distance compares
NUM_SHOWN = 16


def noise(latent_dim: int, count: int) -> torch.Tensor:
    """Return latent vectors, float32 [count, latent_dim], the same for every run whose latent_dim this is."""
    return torch.randn(count, latent_dim, generator=generator("compare", count))


def shown_images(state: TrainingState) -> torch.Tensor:
    """Return what the averaged generator draws, float32 [16, 3, S, S]."""
    return state.draw(noise(state.config.model.latent_dim, NUM_SHOWN), averaged=True)


class Judge:
    """Opens each data set once."""

    def __init__(self) -> None:
        """Begin without any."""
        self._open: dict[str, ImageSet] = {}

    def distance(self, state: TrainingState) -> float | None:
        """Return the sliced Wasserstein distance of the averaged generator; None if no images were held out.

        Raises:
            DataError: if the images are not on this machine.
        """
        config = state.config
        key = repr((config.data, config.model.image_size))
        if key not in self._open:
            self._open[key] = open_images(config.data, config.model.image_size)
        num = min(NUM_JUDGED, self._open[key].num_holdout)
        if num < 2:
            return None
        drawn = state.draw(noise(config.model.latent_dim, num), averaged=True)
        return sliced_wasserstein(drawn, self._open[key].holdout(num))


def state_of(config: dict[str, object], checkpoint: tuple[int, str, bytes]) -> TrainingState:
    """Return the state of a run's checkpoint."""
    _, digest, data = checkpoint
    return TrainingState.from_bytes(from_dict(config), data, digest)
