"""Derive all randomness of a run from names, so that there is no random state to save.

The state of a random generator would have to be saved in every checkpoint. A seed that is *computed* from (run seed,
purpose, round, unit) need not be saved: every worker that computes the unit draws the same numbers, at any time.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from ganns.config import Config, ModelConfig

if TYPE_CHECKING:
    import torch


def derive(*parts: int | str) -> int:
    """Hash `parts` to an integer in [0, 2**63).

    It uses SHA-256, since Python's `hash` of a string differs between processes. The parts are separated, so that
    ("a", 12) and ("a1", 2) give different numbers.
    """
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(*parts: int | str) -> torch.Generator:
    """Return a CPU generator seeded by `parts`.

    It is a CPU generator also if the work is done on a GPU: CUDA's random numbers differ from the CPU's and between
    GPUs, and the same unit must draw the same noise everywhere.
    """
    import torch

    return torch.Generator(device="cpu").manual_seed(derive(*parts))


def permutation(run_seed: int, epoch: int, num_images: int) -> np.ndarray:
    """Return the order in which an epoch visits the images, int64 [num_images].

    It comes from `numpy.random.RandomState`, whose random numbers never change (NEP 19), so that laptops with different
    NumPy versions agree. With the digest in the run's row a worker checks this.
    """
    state = np.random.RandomState(derive(run_seed, "epoch", epoch) % 2**32)
    return state.permutation(num_images).astype(np.int64)


def permutation_digest(run_seed: int, num_images: int) -> str:
    """Return the SHA-256 (hex) of epoch 0's permutation as little-endian int64."""
    return hashlib.sha256(permutation(run_seed, 0, num_images).astype("<i8").tobytes()).hexdigest()


NUM_SAMPLES = 64


def latent_vectors(count: int, latent_dim: int, *parts: int | str) -> torch.Tensor:
    """Return standard normal latent vectors, float32 [count, latent_dim], seeded by `parts`."""
    import torch

    return torch.randn(count, latent_dim, generator=generator(*parts))


def noise(seed: int, count: int, latent_dim: int) -> torch.Tensor:
    """Return the latent vectors of a grid of samples for `seed`, float32 [count, latent_dim]."""
    return latent_vectors(count, latent_dim, seed, "samples")


def sample_noise(config: Config, count: int = NUM_SAMPLES) -> torch.Tensor:
    """Return the latent vectors of the run's grids, float32 [count, latent_dim]: the same at every version."""
    return noise(config.seed, count, config.model.latent_dim)


GRID_COLUMNS = 8
"""Images of a row of the run's grids."""


def sample_labels(model: ModelConfig, count: int = NUM_SAMPLES) -> torch.Tensor | None:
    """Return the labels of the run's grids, float32 [count, A]; None if the networks are not conditional.

    Each row of a grid has one attribute, in the order of `model.attributes`; the first row has none.
    """
    import torch

    if not model.conditional:
        return None
    num = len(model.labels)
    rows = torch.arange(count) // GRID_COLUMNS % (num + 1)  # 0: none
    return torch.eye(num + 1)[rows, 1:]
