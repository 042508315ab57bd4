"""Exercise 9: gradients that are old. The task is in docs/exercises/9-staleness.md.

Complete the three functions, then type `ganns exercise check 9`.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

Gradients = dict[str, torch.Tensor]  # by parameter name


def train(
    gradient: Callable[[torch.Tensor], torch.Tensor], start: torch.Tensor, rate: float, num_rounds: int, age: int
) -> list[torch.Tensor]:
    """Train with gradients that are `age` versions old, and return all versions.

    Version v + 1 is version v - rate * gradient(version v - age). The first versions have nothing that is old enough:
    there the gradient is that of version 0.

    Args:
        gradient: returns the gradient at some weights.
        start: version 0, float32. Do not change it.
        rate: the learning rate.
        num_rounds: the number of steps.
        age: how many versions a gradient is old, at least 0.

    Returns:
        Versions 0 to num_rounds, each a tensor of its own.
    """
    raise NotImplementedError


def largest_rate(age: int) -> float:
    """Return the largest rate with which `train` still reaches the minimum of w^2 / 2, up to a few percent.

    Find it by trying: with a smaller rate w goes to 0, with a larger one its swings grow.
    """
    raise NotImplementedError


def combine(results: list[tuple[int, int, Gradients]], version: int, max_age: int) -> Gradients | None:
    """Return one gradient for the step of `version`, from results of different ages.

    A result counts with weight 1 / (1 + age). The sum is divided by the images of the results that count, and not by
    their weights: a step with old results alone is small.

    Args:
        results: (computed_at, num_images, gradients) of each unit: computed_at is the version at which it was computed,
            `gradients` the mean over its images, float32. The age is version - computed_at. Do not change them.
        version: the newest version.
        max_age: older results are discarded. So are results of a version that does not exist any more, because the run
            went back: their age is below 0.

    Returns:
        One float32 tensor for each name, or None if no result is left.
    """
    raise NotImplementedError
