"""Exercise 10: poisoned gradients, and a rule that survives them. The task is in docs/exercises/10-poisoning.md.

First be the attacker: complete `attack`. Then be the coordinator: `aggregate` below is the plain mean, and your attack
makes it useless. Write a better rule, and type `ganns exercise check 10`.
"""

from __future__ import annotations

import torch

Gradients = dict[str, torch.Tensor]  # by parameter name


def attack(honest: list[Gradients], num_hostile: int, limit: float) -> list[Gradients]:
    """Return what hostile machines send, so that the mean of all gradients points backwards.

    Args:
        honest: the gradients of the other machines, float32. The hostile ones know them. Do not change them.
        num_hostile: how many gradients to return.
        limit: a gradient whose norm is larger is refused. The norm is that of all numbers of a gradient together.

    Returns:
        `num_hostile` gradients, with the names, shapes and dtype of the honest ones.
    """
    raise NotImplementedError


def aggregate(gradients: list[Gradients], num_hostile: int) -> Gradients:
    """Return one gradient for a step, although some of the gradients may be hostile.

    Args:
        gradients: in unit order, float32, finite, with the same names and shapes. Do not change them.
        num_hostile: the largest number of hostile ones, but you do not know which ones. There are at least
            2 * num_hostile + 3 gradients.

    Returns:
        One float32 tensor for each name, of the same shape: close to the mean of the honest gradients.
    """
    return {name: torch.stack([one[name] for one in gradients]).mean(0) for name in gradients[0]}
