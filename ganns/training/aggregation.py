"""Aggregation rules: how the results of a round become one update of a network.

A rule is told one network's results, unit by unit, and then asked for the update. It may add them up as they come
(`Mean`: the memory of one result, however many there are), or keep them until the end (`Median`: the memory of all).

What must hold for every rule; `ganns plugin check NAME` tries it:

- *Order.* `add` is called in the order of the units, whatever order the results arrived in. A rule must not depend on
  anything else: no clock, no random numbers but seeded ones. Then the update is a function of the accepted set alone.
- *No input and output.* No file, no network, no database: a rule runs in the coordinator, between two transactions.
- *Shapes and dtypes.* What `combine` returns has the names, shapes and dtype (float32) of what `add` was given, and is
  finite. What was given is not changed.

BatchNorm's sums are none of a rule's business: they are pooled, always (`ganns.training.aggregation.Accumulator`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import torch

from ganns import plugins
from ganns.config import AggregateConfig
from ganns.training.unit import Part

Tensors = dict[str, torch.Tensor]


class Rule(ABC):
    """One network's results of one round, from many to one; a new object for each network and round."""

    def __init__(self, config: AggregateConfig) -> None:
        """Begin with nothing; `config` has the run's `aggregate.*`."""
        self.config = config

    @abstractmethod
    def add(self, gradients: Tensors, num_images: int) -> None:
        """Take one unit's result; called in unit order.

        Args:
            gradients: by parameter name, float32, on the CPU: the mean gradient over the unit's images, or for
                `strategy=local_steps` the weights before minus the weights after. Finite, and with a norm of at most
                `aggregate.max_norm`. Not to be changed, but it may be kept.
            num_images: how many images the unit has, at least 2; the last unit of an epoch may have fewer.
        """

    @abstractmethod
    def combine(self) -> Tensors:
        """Return the update by parameter name, float32; called once, after at least one `add`."""


class Mean(Rule):
    """`aggregate=mean`: the mean over all images, which is the gradient of the mean loss."""

    def __init__(self, config: AggregateConfig) -> None:
        """Begin with nothing."""
        super().__init__(config)
        self.sums: Tensors = {}
        self.num_images = 0

    def add(self, gradients: Tensors, num_images: int) -> None:
        """Add to the sum, with the weight of the unit's images."""
        for name, gradient in gradients.items():
            if name in self.sums:
                self.sums[name].add_(gradient, alpha=num_images)
            else:
                self.sums[name] = gradient * num_images
        self.num_images += num_images

    def combine(self) -> Tensors:
        """Divide the sum by the images."""
        return {name: total / self.num_images for name, total in self.sums.items()}


class Median(Rule):
    """`aggregate=median`: for each number of the gradient, the middle one of all units (Yin et al., arXiv 1803.01498).

    As long as fewer than half of the units deliver nonsense, it lies between what the others say. The price: the
    median of honest gradients is not their mean, so a round learns less; and all results are in memory at once. Every
    unit counts the same, however many images it has: weights would let one large unit decide.
    """

    def __init__(self, config: AggregateConfig) -> None:
        """Begin with nothing."""
        super().__init__(config)
        self.all: list[Tensors] = []

    def add(self, gradients: Tensors, num_images: int) -> None:
        """Keep it."""
        self.all.append(gradients)

    def combine(self) -> Tensors:
        """Return the middle; of an even number of units, the mean of the two in the middle."""
        low, high = (len(self.all) - 1) // 2, len(self.all) // 2
        update: Tensors = {}
        for name in self.all[0]:  # one parameter after the other: sorting needs a copy
            ordered = torch.stack([gradients[name] for gradients in self.all]).sort(dim=0).values
            update[name] = (ordered[low] + ordered[high]) / 2
        return update


RULES: dict[str, type[Rule]] = {"mean": Mean, "median": Median}


def build_rule(config: AggregateConfig) -> Rule:
    """Return the rule that `aggregate.name` names, a built-in one or a plug-in.

    Raises:
        PluginError: if there is none, or it is no `Rule`.
    """
    rule = RULES.get(config.name) or plugins.subclass("aggregate", config.name, Rule)
    return rule(config)


@dataclass
class Accumulator:
    """One network's parts of a round: gradients go to the aggregation rule, BatchNorm's sums are pooled."""

    rule: Rule = field(default_factory=lambda: Mean(AggregateConfig()))
    sums: Tensors = field(default_factory=dict)

    @torch.no_grad()
    def add(self, part: Part, num_images: int) -> None:
        """Add a unit's part, of so many images. Call in unit order."""
        self.rule.add(part.gradients, num_images)
        for name, sums in part.sums.items():
            self.sums[name] = self.sums[name] + sums if name in self.sums else sums.clone()

    @torch.no_grad()
    def combine(self) -> Tensors:
        """Return what the rule makes of all parts: of `mean`, the gradient of the mean loss over all added images."""
        return self.rule.combine()

    def statistics(self) -> Tensors:
        """Return "<layer>.running_mean" and "<layer>.running_var" (unbiased), float32 [C], of all batches as one.

        From the sums: mean = S1/n, variance = (S2 - S1^2/n) / (n - 1). That is the law of total variance: the
        spread within the batches plus the spread of their means, which averaging variances would lose.
        """
        statistics: Tensors = {}
        for name, sums in self.sums.items():
            count = sums[-1]
            first, second = sums[:-1].chunk(2)
            mean = first / count
            variance = ((second - first * mean) / (count - 1)).clamp_min(0)
            statistics[f"{name}.running_mean"] = mean.float()
            statistics[f"{name}.running_var"] = variance.float()
        return statistics


def build_totals(config: AggregateConfig) -> dict[str, Accumulator]:
    """Return a round's accumulators for "d" and "g", with the rule of `config`.

    Raises:
        PluginError: if there is no such rule.
    """
    return {role: Accumulator(build_rule(config)) for role in ("d", "g")}


def weighted_metrics(results: list[tuple[int, dict[str, float]]]) -> dict[str, float]:
    """Return the image-weighted mean of each metric over (num_images, metrics) of the accepted results."""
    total = sum(count for count, _ in results)
    names = results[0][1] if results else {}
    return {name: sum(count * metrics[name] for count, metrics in results) / total for name in names}
