"""The GAN of the phones, on the side of the dashboard: its first weights, a step of Adam, and the phones' arrows.

The networks are those of `components/lib/phones/gan.js`, which computes the units: two hidden layers of 16 with tanh.
The weights are one vector: the generator's 354, then the discriminator's 337; each layer's matrix by rows, then its
bias.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]
GENERATOR, DISCRIMINATOR = (2, 16, 16, 2), (2, 16, 16, 1)
NUM_G = sum(after * (before + 1) for before, after in pairwise(GENERATOR))
NUM_WEIGHTS = NUM_G + sum(after * (before + 1) for before, after in pairwise(DISCRIMINATOR))
NUM_POINTS = 128
"""Real points of a unit, and as many generated ones."""
PULL = 3.0
"""A result counts with at most this many times the median norm of its round: no single phone leads the class away."""
ARROW = 0.5
"""The length of a step along a phone's gradient that its arrow shows, in weight space."""


class Recipe(NamedTuple):
    """The settings of a run: the weight of the R1 penalty, Adam's momentum, and two learning rates."""

    title: str
    r1: float
    beta1: float
    lr_g: float
    lr_d: float


BETA2, EPSILON = 0.99, 1e-8
RECIPES = {
    "penalty": Recipe("with a penalty on the slope", r1=0.1, beta1=0.0, lr_g=0.006, lr_d=0.015),
    "plain": Recipe("plain: it collapses", r1=0.0, beta1=0.5, lr_g=0.01, lr_d=0.01),
}


@dataclass(frozen=True)
class State:
    """A version: weights (691,), and Adam's two moments (2, 691), all float32."""

    weights: Vector
    moments: Vector

    @classmethod
    def from_bytes(cls, weights: bytes, moments: bytes) -> State:
        """Return the state that these bytes are of."""
        return cls(from_bytes(weights), from_bytes(moments).reshape(2, -1))

    def digest(self) -> str:
        """Return the SHA-256 of weights and moments."""
        return hashlib.sha256(self.weights.tobytes() + self.moments.tobytes()).hexdigest()


def from_bytes(content: bytes) -> Vector:
    """Return the numbers of a stored vector."""
    return np.frombuffer(content, "<f4")


def begin(seed: int) -> State:
    """Return version 0: matrices from a normal distribution with variance 1/fan-in, biases 0."""
    random = np.random.RandomState(seed % 2**32)
    parts: list[NDArray[np.float64]] = []
    for layers in (GENERATOR, DISCRIMINATOR):
        for before, after in pairwise(layers):
            parts += [random.normal(0, before**-0.5, after * before), np.zeros(after)]
    return State(np.concatenate(parts).astype("<f4"), np.zeros((2, NUM_WEIGHTS), "<f4"))


def unit_seed(seed: int, round_: int, unit: int) -> int:
    """Return the seed of a unit, from 0 to 2^32 - 1."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{round_}/{unit}".encode()).digest()[:4], "big")


def step(state: State, gradients: Sequence[Vector], version: int, recipe: Recipe) -> State:
    """Return version `version + 1`: a step of Adam (Kingma and Ba 2015) along the mean of the gradients.

    Args:
        state: version `version`.
        gradients: of the accepted units, in the order of units; each (691,), float32.
        version: the number of steps so far.
        recipe: the run's settings.
    """
    mean = np.mean(limited(gradients), axis=0)
    first = recipe.beta1 * state.moments[0] + (1 - recipe.beta1) * mean
    second = BETA2 * state.moments[1] + (1 - BETA2) * mean**2
    rates = np.full(NUM_WEIGHTS, recipe.lr_d)
    rates[:NUM_G] = recipe.lr_g
    moved = first / (1 - recipe.beta1 ** (version + 1)) / (np.sqrt(second / (1 - BETA2 ** (version + 1))) + EPSILON)
    return State((state.weights - rates * moved).astype("<f4"), np.stack([first, second]).astype("<f4"))


def limited(gradients: Sequence[Vector]) -> NDArray[np.float64]:
    """Return the gradients as rows; of each network's half, a norm above `PULL` medians is shortened to that."""
    rows = np.stack(gradients).astype(np.float64)
    for half in (rows[:, :NUM_G], rows[:, NUM_G:]):
        norms = np.linalg.norm(half, axis=1)
        half *= np.minimum(1, PULL * np.median(norms) / np.maximum(norms, 1e-30))[:, None]
    return rows


def generate(weights: Vector, noise: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the points (n, 2) that the generator makes of noise (n, 2)."""
    at = 0
    values: NDArray[Any] = noise
    for before, after in pairwise(GENERATOR):
        matrix = weights[at : at + after * before].reshape(after, before)
        values = values @ matrix.T + weights[at + after * before : at + after * (before + 1)]
        at += after * (before + 1)
        if at < NUM_G:
            values = np.tanh(values)
    return values


def arrow(weights: Vector, gradient: Vector, phone: int) -> list[float]:
    """Return [x, y, x', y']: a phone's own point, and the place to which its gradient alone would move it."""
    half = gradient[:NUM_G]
    noise = np.random.RandomState(phone % 2**32).normal(size=(1, 2))
    moved = weights.copy()
    moved[:NUM_G] -= ARROW * half / max(float(np.linalg.norm(half)), 1e-30)
    return [round(float(one), 3) for one in (*generate(weights, noise)[0], *generate(moved, noise)[0])]
