"""Exercise 2: find the BatchNorm bug. The task is in docs/exercises/2-batchnorm-bug.md.

`pooled` below looks right, but is wrong. Find out why, repair it, and type `ganns exercise check 2`.
"""

from __future__ import annotations

import torch


def pooled(
    counts: list[int], means: list[torch.Tensor], variances: list[torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return mean and variance of all values that all workers saw together.

    Args:
        counts: each worker's number of values in a channel, at least 2.
        means: each worker's mean, float32 [C], C channels.
        variances: each worker's unbiased variance (the sum of squares divided by count - 1), float32 [C].

    Returns:
        The mean and the unbiased variance over all values together, float32 [C] each.
    """
    total = sum(counts)
    mean = torch.zeros_like(means[0])
    variance = torch.zeros_like(variances[0])
    for count, its_mean, its_variance in zip(counts, means, variances, strict=True):
        mean += count / total * its_mean
        variance += count / total * its_variance
    return mean, variance
