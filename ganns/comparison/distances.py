"""Draw images with several runs' last checkpoints and the same noise; measure their distance from real images."""

from __future__ import annotations

import torch

from ganns.config import Config, from_dict
from ganns.data import ImageSet, images_of
from ganns.evaluation.metrics import sample_distance
from ganns.training.seeds import latent_vectors
from ganns.training.state import TrainingState

NUM_COMPARED = 500  # generated and held-out images that the distance compares
NUM_SHOWN = 16


def shown_images(state: TrainingState) -> torch.Tensor:
    """Return images that the averaged generator draws, float32 [16, 3, S, S]."""
    latent = latent_vectors(NUM_SHOWN, state.config.model.latent_dim, "compare", NUM_SHOWN)
    return state.draw(latent, averaged=True)


class Distances:
    """Measures the distances of several runs, and opens each data set once."""

    def __init__(self) -> None:
        """Start without data sets."""
        self._open: dict[str, ImageSet] = {}

    def use(self, config: Config, images: ImageSet) -> None:
        """Measure runs with this configuration's data by images that are open already."""
        self._open[_data_of(config)] = images

    def measure(self, state: TrainingState) -> float | None:
        """Return the averaged generator's sliced Wasserstein distance; None if no images are held out.

        Raises:
            DataError: if the images are not on this machine.
        """
        config = state.config
        key = _data_of(config)
        if key not in self._open:
            self._open[key] = images_of(config)
        images = self._open[key]
        num = min(NUM_COMPARED, images.num_holdout)
        if num < 2:
            return None
        return sample_distance(
            state, images.holdout(num), ("compare", num), averaged=True, labels=images.holdout_labels(num)
        )


def _data_of(config: Config) -> str:
    return repr((config.data, config.model.image_size, config.model.labels))


def state_of(config: dict[str, object], checkpoint: tuple[int, str, bytes]) -> TrainingState:
    """Return the state of a run's checkpoint."""
    _, digest, data = checkpoint
    return TrainingState.from_bytes(from_dict(config), data, digest)
