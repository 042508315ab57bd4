"""Exercise 2: a solution. `Accumulator.statistics` (ganns.training.aggregation) does this with the units' sums."""

from __future__ import annotations

import torch


def pooled(
    counts: list[int], means: list[torch.Tensor], variances: list[torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return mean and variance of all values that all workers saw together."""
    total = sum(counts)
    # float64: the squares below are large, and their difference may be small.
    first = torch.zeros_like(means[0], dtype=torch.float64)  # the sum of all values
    second = torch.zeros_like(first)  # the sum of their squares
    for count, its_mean, its_variance in zip(counts, means, variances, strict=True):
        m, v = its_mean.double(), its_variance.double()
        first += count * m
        second += (count - 1) * v + count * m.square()
    mean = first / total
    variance = (second - first * mean) / (total - 1)
    return mean.float(), variance.clamp_min(0).float()
