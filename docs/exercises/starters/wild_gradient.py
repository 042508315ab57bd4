"""Exercise 4: an aggregation rule that survives one wild gradient. The task is in docs/exercises/4-wild-gradient.md.

`aggregate` below is the plain mean, which one wild unit makes useless. Write a better rule, and type
`ganns exercise check 4`.
"""

from __future__ import annotations

import torch

Gradients = dict[str, torch.Tensor]  # by parameter name


def aggregate(gradients: list[Gradients]) -> Gradients:
    """Return one gradient for a step, from those of five units with the same number of images.

    Args:
        gradients: in unit order, float32, with the same names and shapes; all numbers are finite. One of the units may
            have sent a gradient that is a million times too large. You do not know which one. Do not change them.

    Returns:
        One float32 tensor for each name, of the same shape.
    """
    return {name: torch.stack([one[name] for one in gradients]).mean(0) for name in gradients[0]}
