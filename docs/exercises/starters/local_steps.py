"""Exercise 7: local steps, and the step that joins them. The task is in docs/exercises/7-local-steps.md.

Complete `unit` and `outer_step`, then type `ganns exercise check 7`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

Weights = dict[str, torch.Tensor]  # by parameter name


def unit(
    weights: Weights,
    batches: list[Any],
    gradient: Callable[[Weights, Any], Weights],
    make_optimizer: Callable[[list[torch.Tensor]], torch.optim.Optimizer],
) -> Weights:
    """Train on a unit's batches, one step for each, and return the change of the weights: before minus after.

    Args:
        weights: the weights of the round's version, float32. Do not change them: the next unit begins with them, too.
        batches: the batches, in order.
        gradient: `gradient(weights, batch)` returns the gradient of the mean loss over the batch, at these weights.
        make_optimizer: `make_optimizer(tensors)` returns a new optimizer (SGD or Adam) for a list of tensors. Its
            `step()` moves each tensor, in place, by what the tensor's `.grad` says.

    Returns:
        One float32 tensor for each name: the weights before the first step minus the weights after the last one.
    """
    raise NotImplementedError


def outer_step(
    weights: Weights, results: list[tuple[int, Weights]], velocity: Weights, rate: float, momentum: float
) -> tuple[Weights, Weights]:
    """Apply a round's results, as the coordinator does: the outer optimizer, with Nesterov's momentum.

        mean         = mean of the changes, weighted by images
        new velocity = momentum * velocity + mean
        new weights  = weights - rate * (mean + momentum * new velocity)

    Args:
        weights: the weights of the round's version, float32.
        results: (num_images, change) of each unit, in unit order; the change is what `unit` returned.
        velocity: what the last round's call returned; zeros in the first round. The names and shapes of `weights`.
        rate: the outer learning rate.
        momentum: from 0 to 1.

    Returns:
        The new weights and the new velocity, float32. Do not change the arguments.
    """
    raise NotImplementedError
