"""Aggregation rules that bear some wrong results: median, trimmed mean, centered clipping, multi-Krum.

All keep a round's results until the end, since they compare them, and count each unit the same, whatever its number of
images: else one large unit could decide. docs/explain/robust.md says what each assumes, and what breaks it.

Shapes: n units of the round.
"""

from __future__ import annotations

from abc import abstractmethod

import torch

from ganns.config import AggregateConfig, num_hostile
from ganns.training.rule import Rule, Tensors

ITERATIONS = 5
"""Steps of centered clipping towards its centre."""


class Keeping(Rule):
    """A rule that needs all results at once."""

    def __init__(self, config: AggregateConfig) -> None:
        """Begin without results."""
        super().__init__(config)
        self.all: list[Tensors] = []

    def add(self, gradients: Tensors, num_images: int) -> None:
        """Keep the result."""
        self.all.append(gradients)

    @abstractmethod
    def combine(self) -> Tensors:
        """Return the update."""

    def hostile(self, most: int) -> int:
        """Return how many of the results may be wrong, at most `most`: a round may have fewer results than planned."""
        return max(0, min(num_hostile(getattr(self.config, "hostile", 0.0), len(self.all)), most))


class Median(Keeping):
    """`aggregate=median`: for each number of the gradient, the median over all units (Yin et al., arXiv 1803.01498).

    While fewer than half of the units send wrong numbers, the median lies between the numbers of the others. The cost:
    the median of correct gradients is not their mean, so a round learns less; and all results are in memory at once.
    """

    def combine(self) -> Tensors:
        """Return the median; for an even number of units, the mean of the two in the middle."""
        return median(self.all)


class TrimmedMean(Keeping):
    """`aggregate=trimmed_mean`: for each number, the mean without the f lowest and highest (arXiv 1803.01498).

    f is `aggregate.hostile` of the units. Wrong numbers that are extreme are left out; those that are not lie between
    right ones. It needs n > 2 f, and with fewer results f is smaller.
    """

    def combine(self) -> Tensors:
        """Return the trimmed mean."""
        cut = self.hostile((len(self.all) - 1) // 2)
        update: Tensors = {}
        for name in self.all[0]:  # one parameter after the other: sorting needs a copy
            ordered = torch.stack([gradients[name] for gradients in self.all]).sort(dim=0).values
            update[name] = ordered[cut : len(ordered) - cut].mean(dim=0)
        return update


class CenteredClipping(Keeping):
    """`aggregate=centered_clipping`: the mean of the results, clipped around a centre (arXiv 2012.10333).

    v <- v + mean_i (x_i - v) min(1, r / |x_i - v|), some times. In the paper v begins with the last round's result, and
    the workers send momentum; its guarantee needs both. A unit keeps nothing from one round to the next, so here v
    begins with the median of each number, and the radius r is the median of the distances from it.
    """

    def combine(self) -> Tensors:
        """Return the centre after `ITERATIONS` steps."""
        centre = median(self.all)
        radius = torch.stack([_distance(one, centre) for one in self.all]).median()
        for _ in range(ITERATIONS):
            shares = [(radius / _distance(one, centre).clamp_min(_TINY)).clamp_max(1.0) for one in self.all]
            centre = {
                name: value
                + sum((s * (one[name] - value) for s, one in zip(shares, self.all, strict=True)), torch.zeros(()))
                / len(self.all)
                for name, value in centre.items()
            }
        return centre


class MultiKrum(Keeping):
    """`aggregate=multi_krum`: the mean of the results with the nearest neighbours (Blanchard et al., arXiv 1703.02757).

    A result's score is the sum of the squared distances to its n - f - 2 nearest neighbours, where f is
    `aggregate.hostile` of the units; the n - f - 2 results with the lowest scores are averaged. It needs n >= 2 f + 3,
    and with fewer results f is smaller. Of at most two results it is the mean.
    """

    def combine(self) -> Tensors:
        """Return the mean of the chosen results."""
        chosen = [self.all[number] for number in self.chosen()]
        return {name: torch.stack([one[name] for one in chosen]).mean(dim=0) for name in chosen[0]}

    def chosen(self) -> list[int]:
        """Return the numbers of the results that are averaged, in order; of equal scores the first."""
        num = len(self.all)
        if num < 3:
            return list(range(num))
        keep = num - self.hostile((num - 3) // 2) - 2
        distances = torch.zeros(num, num, dtype=torch.float64)
        for i in range(num):
            for j in range(i):
                distances[i, j] = distances[j, i] = _distance(self.all[i], self.all[j]).double().square()
        nearest = distances.sort(dim=1).values[:, 1 : keep + 1]  # without itself
        scores = nearest.sum(dim=1).tolist()
        return sorted(sorted(range(num), key=lambda number: scores[number])[:keep])


_TINY = torch.finfo(torch.float32).tiny


def median(results: list[Tensors]) -> Tensors:
    """Return the median of each number; for an even number of results, the mean of the two in the middle."""
    low, high = (len(results) - 1) // 2, len(results) // 2
    update: Tensors = {}
    for name in results[0]:  # one parameter after the other: sorting needs a copy
        ordered = torch.stack([gradients[name] for gradients in results]).sort(dim=0).values
        update[name] = (ordered[low] + ordered[high]) / 2
    return update


def _distance(a: Tensors, b: Tensors) -> torch.Tensor:
    """Return the norm of the difference of two results, float32 []."""
    found: torch.Tensor = torch.stack([(a[name] - b[name]).norm() for name in b]).norm()
    return found


ROBUST: dict[str, type[Rule]] = {
    "median": Median,
    "trimmed_mean": TrimmedMean,
    "centered_clipping": CenteredClipping,
    "multi_krum": MultiKrum,
}
