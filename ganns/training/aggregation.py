"""Aggregation: one update of a network from the results of a round, by a rule.

A rule gets one network's results, unit by unit, and then returns the update. It may add each result at once (`Mean`: it
needs the memory of one result), or keep them until the end (those of `robust.py`: they need the memory of all).

Requirements for every rule; `ganns plugin check NAME` tests them:

- *Order.* `add` is called in the order of the units, not in that of arrival: floating-point addition is not
  associative. A rule must not depend on a clock, or on random numbers without a fixed seed. Then the update is a
  function of the set of accepted results alone.
- *No input and output.* No file, no network, no database: a rule runs in the coordinator, between two transactions.
- *Shapes and dtypes.* The tensors that `combine` returns have the names, shapes and dtype (float32) of those that `add`
  got, and are finite. A rule does not change the tensors that it gets.

A rule does not get BatchNorm's sums: `Accumulator` always pools them. It also scales down results that are far larger
than those of the rounds before, whatever the rule is (`clipping.py`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch

from ganns import plugins
from ganns.config import AggregateConfig
from ganns.training.clipping import clipped, largest_norm, rounded_norm
from ganns.training.robust import ROBUST, Median
from ganns.training.rule import Rule, Tensors
from ganns.training.unit import Part

__all__ = ["Accumulator", "Mean", "Median", "Rule", "Tensors", "build_rule", "build_totals", "weighted_metrics"]


class Mean(Rule):
    """`aggregate=mean`: the mean over all images, which is the gradient of the mean loss."""

    def __init__(self, config: AggregateConfig) -> None:
        """Begin without results."""
        super().__init__(config)
        self.sums: Tensors = {}
        self.num_images = 0

    def add(self, gradients: Tensors, num_images: int) -> None:
        """Add the gradient to the sum, weighted by the number of images."""
        for name, gradient in gradients.items():
            if name in self.sums:
                self.sums[name].add_(gradient, alpha=num_images)
            else:
                self.sums[name] = gradient * num_images
        self.num_images += num_images

    def combine(self) -> Tensors:
        """Return the sum divided by the number of images."""
        return {name: total / self.num_images for name, total in self.sums.items()}


RULES: dict[str, type[Rule]] = {"mean": Mean, **ROBUST}


def build_rule(config: AggregateConfig) -> Rule:
    """Return the rule called `aggregate.name`, a built-in one or a plug-in.

    Raises:
        PluginError: if there is no such rule, or it is not a `Rule`.
    """
    rule = RULES.get(config.name) or plugins.subclass("aggregate", config.name, Rule)
    return rule(config)


@dataclass
class Accumulator:
    """Combines one network's parts of a round: gradients by the rule, BatchNorm's sums by addition."""

    rule: Rule = field(default_factory=lambda: Mean(AggregateConfig()))
    sums: Tensors = field(default_factory=dict)
    largest: float = math.inf  # norm; a result with a larger one is scaled down to it
    norms: list[float] = field(default_factory=list)  # of the added results, as they came

    @torch.no_grad()
    def add(self, part: Part, num_images: int) -> None:
        """Add a unit's part, with its number of images. Call it in unit order."""
        norm = rounded_norm(part.gradients)
        self.norms.append(norm)
        self.rule.add(clipped(part.gradients, norm, self.largest), num_images)
        for name, sums in part.sums.items():
            self.sums[name] = self.sums[name] + sums if name in self.sums else sums.clone()

    @torch.no_grad()
    def combine(self) -> Tensors:
        """Return the rule's update; for `mean` it is the gradient of the mean loss over all added images."""
        return self.rule.combine()

    def statistics(self) -> Tensors:
        """Return "<layer>.running_mean" and "<layer>.running_var" (unbiased), float32 [C], of all batches together.

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


def build_totals(config: AggregateConfig, norms: Mapping[str, Sequence[float]] | None = None) -> dict[str, Accumulator]:
    """Return a round's accumulators for "d" and "g", with the rule of `config`.

    Args:
        config: the run's `aggregate.*`.
        norms: by network, the norms of the results before (`TrainingState.norms`), for `aggregate.clip`.

    Raises:
        PluginError: if there is no such rule.
    """
    return {
        role: Accumulator(build_rule(config), largest=largest_norm(config.clip, (norms or {}).get(role, ())))
        for role in ("d", "g")
    }


def weighted_metrics(results: list[tuple[int, dict[str, float]]]) -> dict[str, float]:
    """Return the image-weighted mean of each metric over (num_images, metrics) of the accepted results."""
    total = sum(count for count, _ in results)
    names = results[0][1] if results else {}
    return {name: sum(count * metrics[name] for count, metrics in results) / total for name in names}
