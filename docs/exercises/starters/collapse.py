"""Exercise 8: mode collapse. The task is in docs/exercises/8-collapse.md.

Complete the three functions, then type `ganns exercise check 8`.
"""

from __future__ import annotations

from collections.abc import Callable

import torch


def measure(points: torch.Tensor, centres: torch.Tensor, radius: float, least: float) -> tuple[int, float]:
    """Return how many modes the points reach, and the share of good points.

    A point is good if its distance from some centre is at most `radius`. A mode is reached if at least the share
    `least` of all points is that near to its centre: one stray point is not enough.

    Args:
        points: the generator's samples, float32 [N, 2], N at least 1. If the generator is broken they may be NaN, which
            is not good.
        centres: the centres of the modes, float32 [M, 2]. Their distances from each other are more than 2 * radius.
        radius: above 0.
        least: from 0 to 1.

    Returns:
        The number of modes from 0 to M, and the share of good points from 0 to 1.
    """
    raise NotImplementedError


def first_collapse(counts: list[int], num_modes: int) -> int | None:
    """Return the number of the version at which the generator collapsed, or None.

    That is the first version whose count is at most half of the largest count before it. Before the generator has
    learned something, small counts are no collapse: the largest count must be at least half of `num_modes`.

    Args:
        counts: the number of modes that version 0, 1, 2 and so on reach.
        num_modes: the number of modes of the data.
    """
    raise NotImplementedError


def r1(discriminator: Callable[[torch.Tensor], torch.Tensor], real: torch.Tensor) -> torch.Tensor:
    """Return the R1 penalty (Mescheder et al. 2018): half the mean, over real points, of |gradient of D|².

    The gradient is that of D's output with respect to the point, not to D's weights. D is trained with the penalty, so
    the result must be differentiable. Leave `real` and the weights' `.grad` as they were.

    Args:
        discriminator: maps points [N, 2] to logits [N], each from its own point.
        real: real points, float32 [N, 2].

    Returns:
        A scalar.
    """
    raise NotImplementedError
