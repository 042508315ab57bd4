"""Measure the effect of each result on a round's step: its direction beside the step's, and its share of the step.

For a unit's gradient g of n images and the update u that a rule made of N images:

- cosine = <g, u> / (|g| |u|): 1 if the unit wanted exactly this step, 0 if its wish was at a right angle, below 0 if it
  wanted to go back. Gradients of small batches are noisy, so that also an honest one is far from 1.
- share = n/N <g, u> / <u, u>: the part of the step that is the unit's. With the mean the shares of a round add up to 1,
  because u = sum n/N g. With another rule (the median) they need not.

An update is known when the last result has been added, and then the first ones are gone: all results of a large class
would need gigabytes. So of each result only every k-th number is kept, at most `MAX_NUMBERS` of a network. Both values
are exact for networks up to that size, and estimates for larger ones; every parameter is represented by its size.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ganns.training.aggregation import Accumulator, Rule, Tensors

MAX_NUMBERS = 1 << 16
"""A sample of this size takes 256 KB. docs/howto/credit.md says how far its estimates are from the exact values."""


@dataclass(frozen=True)
class Influence:
    """The effect of one unit's gradient of one network on its round's step."""

    cosine: float  # in [-1, 1]; 0 if one of the two is zero
    share: float


def sample(tensors: Tensors, max_numbers: int = MAX_NUMBERS) -> torch.Tensor:
    """Return every k-th number of each tensor, float32 [K], K about `max_numbers` or all if there are fewer.

    The same numbers for the same shapes: samples of two gradients can be compared.
    """
    step = -(-sum(one.numel() for one in tensors.values()) // max_numbers)
    return torch.cat([tensors[name].reshape(-1)[::step] for name in sorted(tensors)])


def influence(gradient: torch.Tensor, update: torch.Tensor, weight: float) -> Influence:
    """Return what a gradient did in an update.

    Args:
        gradient: of the unit, float32 [K].
        update: that the rule made, float32 [K].
        weight: the unit's part of the round's images, n/N.
    """
    g, u = gradient.double(), update.double()
    product, square = float(g @ u), float(u @ u)
    norms = float(g.norm()) * square**0.5
    return Influence(
        cosine=max(-1.0, min(1.0, product / norms)) if norms > 0 else 0.0,
        share=weight * product / square if square > 0 else 0.0,
    )


class Observed(Rule):
    """A rule that does what another one does, and remembers a sample of each result and of the update."""

    def __init__(self, rule: Rule) -> None:
        """Observe `rule`, which has no result yet."""
        super().__init__(rule.config)
        self.rule = rule
        self._added: list[tuple[torch.Tensor, int]] = []
        self._update: torch.Tensor | None = None

    def add(self, gradients: Tensors, num_images: int) -> None:
        """Remember a sample of the result, and add it."""
        self._added.append((sample(gradients), num_images))
        self.rule.add(gradients, num_images)

    def combine(self) -> Tensors:
        """Return the rule's update, and remember a sample of it."""
        update = self.rule.combine()
        self._update = sample(update)
        return update

    def influences(self) -> list[Influence]:
        """Return what each result did, in the order of `add`; nothing before `combine`."""
        if self._update is None:
            return []
        total = sum(count for _, count in self._added)
        return [influence(one, self._update, count / total) for one, count in self._added]


def observe(totals: dict[str, Accumulator]) -> dict[str, Observed]:
    """Let each network's accumulator use an observed rule, and return these rules; the updates stay the same."""
    observed = {role: Observed(total.rule) for role, total in totals.items()}
    for role, total in totals.items():
        total.rule = observed[role]
    return observed
