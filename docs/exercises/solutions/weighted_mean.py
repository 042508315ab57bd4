"""Exercise 1: a solution. `Accumulator` (ganns.training.aggregation) does the same, result by result."""

from __future__ import annotations

import torch

Gradients = dict[str, torch.Tensor]


def weighted_mean(results: list[tuple[int, int, Gradients]]) -> Gradients:
    """Return the gradient of the mean loss over all images of a round."""
    total: Gradients = {}
    num_images = 0
    # In unit order: (a + b) + c is not a + (b + c), so a sum in order of arrival would depend on the workers' speed.
    for _, images, gradients in sorted(results, key=lambda result: result[0]):
        for name, gradient in gradients.items():
            # gradient * images makes a new tensor; adding in place to `gradient` itself would change the result.
            weighted = gradient * images
            total[name] = total[name] + weighted if name in total else weighted
        num_images += images
    return {name: tensor / num_images for name, tensor in total.items()}
