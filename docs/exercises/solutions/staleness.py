"""Exercise 9: a solution. The weight is that of Zhang et al. 2015, "Staleness-aware Async-SGD"."""

from __future__ import annotations

from collections.abc import Callable

import torch

Gradients = dict[str, torch.Tensor]


def train(
    gradient: Callable[[torch.Tensor], torch.Tensor], start: torch.Tensor, rate: float, num_rounds: int, age: int
) -> list[torch.Tensor]:
    """Train with gradients that are `age` versions old, and return all versions."""
    versions = [start]
    for number in range(num_rounds):
        old = versions[max(0, number - age)]
        versions.append(versions[-1] - rate * gradient(old))  # a new tensor: `-=` would change all versions
    return versions


def largest_rate(age: int) -> float:
    """Return the largest rate with which `train` still reaches the minimum of w^2 / 2, up to a few percent."""
    low, high = 0.0, 4.0
    for _ in range(10):
        rate = (low + high) / 2
        versions = train(lambda w: w, torch.tensor(1.0), rate, 150, age)
        # The last version alone may be near 0 by chance, in the middle of a swing.
        if max(abs(float(w)) for w in versions[-20:]) < 1:
            low = rate
        else:
            high = rate
    return low


def combine(results: list[tuple[int, int, Gradients]], version: int, max_age: int) -> Gradients | None:
    """Return one gradient for the step of `version`, from results of different ages."""
    total: Gradients = {}
    num_images = 0
    for computed_at, images, gradients in results:
        age = version - computed_at
        if not 0 <= age <= max_age:
            continue
        num_images += images
        for name, gradient in gradients.items():
            weighted = gradient * (images / (1 + age))
            total[name] = total[name] + weighted if name in total else weighted
    return {name: tensor / num_images for name, tensor in total.items()} if num_images else None
