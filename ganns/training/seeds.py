"""All randomness of a run, derived from names: there is no random state to save.

A generator whose state must survive a crash has to be checkpointed with everything else, at the same
instant. A seed that is *computed* from (run seed, what it is for, which round, which unit) needs nothing of
the kind: whoever computes the unit, whenever, draws the same numbers.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from ganns.config import Config

if TYPE_CHECKING:
    import torch


def derive(*parts: int | str) -> int:
    """Hash `parts` to an integer in [0, 2**63).

    SHA-256 rather than Python's `hash`: the latter changes from process to process for strings. The parts
    are separated, so that ("a", 12) and ("a1", 2) do not meet.
    """
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(*parts: int | str) -> torch.Generator:
    """Return a CPU generator seeded by `parts`.

    Always the CPU's, also when the work is done on a GPU: CUDA's streams differ from the CPU's and between
    cards, and the same unit must draw the same noise everywhere.
    """
    import torch

    return torch.Generator(device="cpu").manual_seed(derive(*parts))


def permutation(run_seed: int, epoch: int, num_images: int) -> np.ndarray:
    """Return the order in which an epoch visits the images, int64 [num_images].

    From `numpy.random.RandomState`, whose streams are frozen for ever (NEP 19), so that student laptops with
    different NumPy versions agree. The digest in the run's row lets a worker check that they do.
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
