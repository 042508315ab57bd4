"""Exercise 7: a solution. `LocalStepsUnit` (ganns.training.local_steps) does the first half with a GAN."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

Weights = dict[str, torch.Tensor]


def unit(
    weights: Weights,
    batches: list[Any],
    gradient: Callable[[Weights, Any], Weights],
    make_optimizer: Callable[[list[torch.Tensor]], torch.optim.Optimizer],
) -> Weights:
    """Train on a unit's batches, one step for each, and return the change of the weights: before minus after."""
    # Copies: the optimizer changes its tensors in place, and the next unit needs the round's weights.
    moving = {name: tensor.clone() for name, tensor in weights.items()}
    # A new optimizer: with the moments of the last unit, the result would depend on what this worker did before.
    optimizer = make_optimizer(list(moving.values()))
    for batch in batches:
        for name, slope in gradient(moving, batch).items():
            moving[name].grad = slope
        optimizer.step()
    return {name: weights[name] - tensor for name, tensor in moving.items()}


def outer_step(
    weights: Weights, results: list[tuple[int, Weights]], velocity: Weights, rate: float, momentum: float
) -> tuple[Weights, Weights]:
    """Apply a round's results, as the coordinator does: the outer optimizer, with Nesterov's momentum."""
    num_images = sum(images for images, _ in results)
    new_weights, new_velocity = {}, {}
    for name, tensor in weights.items():
        mean = sum(images * change[name] for images, change in results) / num_images
        new_velocity[name] = momentum * velocity[name] + mean
        new_weights[name] = tensor - rate * (mean + momentum * new_velocity[name])
    return new_weights, new_velocity
