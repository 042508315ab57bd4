"""Exercise 8: a solution. `r1_penalty` (ganns.training.losses) is the same for images."""

from __future__ import annotations

from collections.abc import Callable

import torch


def measure(points: torch.Tensor, centres: torch.Tensor, radius: float, least: float) -> tuple[int, float]:
    """Return how many modes the points reach, and the share of good points."""
    distances = (points[:, None] - centres[None]).norm(dim=2)  # [N, M]
    near = distances <= radius  # a comparison with NaN is False
    shares = near.float().mean(0)  # of each mode
    return int((shares >= least).sum()), float(near.any(1).float().mean())


def first_collapse(counts: list[int], num_modes: int) -> int | None:
    """Return the number of the version at which the generator collapsed, or None."""
    largest = 0
    for version, count in enumerate(counts):
        if largest >= num_modes / 2 and count <= largest / 2:
            return version
        largest = max(largest, count)
    return None


def r1(discriminator: Callable[[torch.Tensor], torch.Tensor], real: torch.Tensor) -> torch.Tensor:
    """Return the R1 penalty (Mescheder et al. 2018): half the mean, over real points, of |gradient of D|²."""
    points = real.detach().clone().requires_grad_()
    # The gradient of the sum has, for each point, the gradient of its own logit. A mean would divide it by N.
    # create_graph: the gradient is a function of D's weights, and D learns from it.
    (slope,) = torch.autograd.grad(discriminator(points).sum(), points, create_graph=True)
    return 0.5 * slope.square().sum(dim=1).mean()
