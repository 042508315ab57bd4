"""Exercise 1: the image-weighted mean of gradients. The task is in docs/exercises/1-weighted-mean.md.

Complete `weighted_mean`, then type `ganns exercise check 1`.
"""

from __future__ import annotations

import torch

Gradients = dict[str, torch.Tensor]  # by parameter name, for example "layers.0.weight"


def weighted_mean(results: list[tuple[int, int, Gradients]]) -> Gradients:
    """Return the gradient of the mean loss over all images of a round.

    Args:
        results: one (unit, num_images, gradients) for each unit, **in the order of arrival**. `unit` is the unit's
            number in its round, different in each result. `gradients` is the mean over the unit's `num_images` images:
            float32 tensors, with the same names and shapes in each result. Do not change them.

    Returns:
        One float32 tensor for each name, of the same shape. It has the same bits for every order of arrival.
    """
    raise NotImplementedError
