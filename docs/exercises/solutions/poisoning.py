"""Exercise 10: a solution. The attack is a long step backwards; the rule is the coordinate-wise trimmed mean.

(Yin et al. 2018, "Byzantine-Robust Distributed Learning".) Other rules pass, too: the median of each number, Multi-Krum
(Blanchard et al. 2017), the geometric median. `ganns.training.robust` has three of them.
"""

from __future__ import annotations

import torch

Gradients = dict[str, torch.Tensor]


def attack(honest: list[Gradients], num_hostile: int, limit: float) -> list[Gradients]:
    """Return what hostile machines send, so that the mean of all gradients points backwards."""
    mean = {name: torch.stack([one[name] for one in honest]).mean(0) for name in honest[0]}
    length = torch.stack([tensor.norm() for tensor in mean.values()]).norm()
    scale = -0.999 * limit / length  # as long as the check allows, but for rounding
    return [{name: scale * tensor for name, tensor in mean.items()} for _ in range(num_hostile)]


def aggregate(gradients: list[Gradients], num_hostile: int) -> Gradients:
    """Return one gradient for a step, although some of the gradients may be hostile."""
    result: Gradients = {}
    for name in gradients[0]:
        values = torch.stack([one[name] for one in gradients])  # [units, ...]
        ordered = values.sort(dim=0).values
        # Hostile values that are left lie between honest ones: at most num_hostile values are outside on each side.
        result[name] = ordered[num_hostile : len(gradients) - num_hostile].mean(0)
    return result
