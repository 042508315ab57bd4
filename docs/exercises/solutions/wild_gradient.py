"""Exercise 4: a solution, the coordinate-wise trimmed mean (Yin et al. 2018, "Byzantine-Robust Distributed Learning").

Of the five values of each number, the smallest and the largest are left out, and the other three averaged. One wild
unit can own at most one of the two ends. Other rules that pass: the median of each number; each gradient scaled down to
the median of the five norms, and then the mean.
"""

from __future__ import annotations

import torch

Gradients = dict[str, torch.Tensor]


def aggregate(gradients: list[Gradients]) -> Gradients:
    """Return one gradient for a step, from those of five units with the same number of images."""
    result: Gradients = {}
    for name in gradients[0]:
        values = torch.stack([one[name] for one in gradients])  # [5, ...]
        ordered = values.sort(dim=0).values
        result[name] = ordered[1:-1].mean(0)
    return result
