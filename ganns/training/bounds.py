"""Limit the size of a result, by the run's memory or by the other results of its round.

A part can have the right form and finite numbers, and still be absurd. One gradient that is a million times too large
stays in Adam's mean of squares for about a thousand rounds, and all steps are nearly 0 meanwhile. One absurd sum for
BatchNorm makes the statistics useless. So each part's size is compared with what the run remembers:

| size | compared with |
|---|---|
| norm of a gradient (`strategy=gradient`) | the root of Adam's mean of squares, a memory of about a thousand rounds |
| norm of a change (`strategy=local_steps`) | the largest change that Adam can make in these steps |
| root mean square of a BatchNorm layer's inputs | the running statistics |

At its beginning a run has no memory. Then the median of the first results of the round takes its place.

A result above a limit can still be right, because a model can change suddenly. So the coordinator computes the unit
itself before it decides, and raises the limit if the result was right: `ganns/coordinator/refusals.py`.

Shapes: C channels of a BatchNorm layer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median_low

import torch
from torch import nn

from ganns.config import Config, LocalStepsStrategy, OptimizerConfig
from ganns.errors import BadResult, ImplausibleResult
from ganns.training.batchnorm import batchnorm_layers
from ganns.training.local_steps import STATISTICS_STEPS
from ganns.training.networks import statistics_of
from ganns.training.parts import check_part
from ganns.training.plan import step_bounds
from ganns.training.probe import examine
from ganns.training.unit import Part

FACTOR = 100.0
"""A size may be larger than the remembered one by this factor. docs/explain/refused-results.md has the measurements."""
NUM_FIRST = 3
"""Number of results whose median takes the place of a memory: one of three may be absurd."""
ROUNDING = 1e-7
"""The largest error of one float32 step, as a share of the weight."""
ROUNDED = 1e-3
"""A mean of probabilities can be above 1 by rounding."""
PASSES = {"g": 1, "d": 2}
"""The generator sees a unit's noise, the discriminator its real and its generated images."""


@dataclass(frozen=True)
class Size:
    """The size of a part."""

    norm: float  # of all gradients together
    layers: Mapping[str, float]  # by BatchNorm layer: root mean square of its inputs


@dataclass(frozen=True)
class SizeLimits:
    """The largest allowed sizes of one network's parts; None means that the run has no memory of it yet."""

    norm: float | None
    layers: Mapping[str, float] | None

    @property
    def are_known(self) -> bool:
        """Whether nothing is missing."""
        return self.norm is not None and self.layers is not None

    def or_median(self, sizes: Sequence[Size]) -> SizeLimits:
        """Return limits with the missing ones taken from the median of `sizes` (at least one)."""
        norm, layers = self.norm, self.layers
        if norm is None:
            norm = FACTOR * median_low(size.norm for size in sizes)
        if layers is None:
            layers = {name: FACTOR * median_low(size.layers[name] for size in sizes) for name in sizes[0].layers}
        return SizeLimits(norm, layers)

    def raised_to(self, size: Size) -> SizeLimits:
        """Return limits that remember a size that is known to be right."""
        norm = None if self.norm is None else max(self.norm, FACTOR * size.norm)
        layers = self.layers and {name: max(limit, FACTOR * size.layers[name]) for name, limit in self.layers.items()}
        return SizeLimits(norm, layers)

    def is_exceeded(self, size: Size) -> bool:
        """Tell whether a part of this size is too large."""
        try:
            self.check(size)
        except ImplausibleResult:
            return True
        return False

    def check(self, size: Size) -> None:
        """Compare a part's size with the limits.

        Raises:
            ImplausibleResult: if it is larger.
        """
        if self.norm is not None and size.norm > self.norm:
            raise ImplausibleResult(
                f"The gradient's norm is {size.norm:.3g}; after the earlier results it can be at most {self.norm:.3g}."
            )
        for name, limit in (self.layers or {}).items():
            if size.layers[name] > limit:
                raise ImplausibleResult(
                    f"The BatchNorm sums of {name} belong to inputs of size {size.layers[name]:.3g}; after the earlier "
                    f"results it can be at most {limit:.3g}."
                )


def remembered(
    role: str, config: Config, network: nn.Module, optimizer: torch.optim.Optimizer, largest_unit: int | None = None
) -> SizeLimits:
    """Return the limits that follow from a version: the round's settings, the optimizer's moments, the statistics.

    Args:
        role: "g" or "d".
        config: the run's, with the settings of the round (`round_settings.in_round`).
        network: of the version.
        optimizer: the network's, with its moments.
        largest_unit: the most images of a unit of the round; None: `strategy.unit_images`.
    """
    if isinstance(config.strategy, LocalStepsStrategy):
        norm: float | None = largest_change(role, config, network, largest_unit)
    else:
        norm = _remembered_norm(config.optimizer, network, optimizer)
        norm = None if norm is None else FACTOR * norm
    return SizeLimits(norm, _remembered_layers(network))


def _remembered_norm(config: OptimizerConfig, network: nn.Module, optimizer: torch.optim.Optimizer) -> float | None:
    """Return the root of Adam's mean of the squared norm, corrected for its beginning at 0."""
    states = [optimizer.state.get(parameter) for parameter in network.parameters()]
    found = [state for state in states if state and "exp_avg_sq" in state]
    if not found:
        return None
    total = float(torch.stack([state["exp_avg_sq"].sum() for state in found]).sum())
    return math.sqrt(total / (1 - config.beta2 ** float(found[0]["step"])))


@torch.no_grad()
def _remembered_layers(network: nn.Module) -> dict[str, float] | None:
    """Return the limit for each layer from the running statistics; None if they are those of a new network."""
    statistics = statistics_of(network)
    layers = {}
    for name in batchnorm_layers(network):
        mean, variance = statistics[f"{name}.running_mean"], statistics[f"{name}.running_var"]
        if not mean.any() and bool((variance == 1).all()):
            return None
        layers[name] = FACTOR * math.sqrt(float((mean.double().square() + variance.double()).mean()))
    return layers


def largest_change(role: str, config: Config, network: nn.Module, largest_unit: int | None = None) -> float:
    """Return a norm that no unit of `local_steps` can exceed, of at most `largest_unit` images.

    In step t Adam moves each weight by lr * |sum a_k g_k| / sqrt(sum b_k g_k^2), over the gradients g_k of k steps ago,
    with the weights a and b of its two corrected means. By Cauchy and Schwarz this is at most
    lr * sqrt(sum a_k^2 / b_k), whatever the gradients are.
    """
    optimizer = config.optimizer
    rate = optimizer.lr_g if role == "g" else optimizer.lr_d
    strategy = config.strategy  # a slice that was carried here from an earlier round may be larger than the others
    largest = max(strategy.unit_images, largest_unit or 0)
    steps = len(step_bounds(largest, strategy.micro_batch)) + 1  # the last unit of an epoch may have one more
    reach = rate * sum(_largest_step(optimizer.beta1, optimizer.beta2, number) for number in range(1, steps + 1))
    weights = list(network.parameters())
    size = float(torch.stack(torch._foreach_norm([weight.detach() for weight in weights])).norm())
    return 1.1 * (reach * math.sqrt(sum(weight.numel() for weight in weights)) + steps * ROUNDING * size)


def _largest_step(beta1: float, beta2: float, number: int) -> float:
    """Return sqrt(sum a_k^2 / b_k) over the `number` steps so far, as in `largest_change`."""
    if beta1 == 0:
        return math.sqrt((1 - beta2**number) / (1 - beta2))
    if beta2 == 0:
        return math.inf
    ratio = beta1**2 / beta2
    try:
        powers = number if ratio == 1 else (1 - ratio**number) / (1 - ratio)
        return math.sqrt(powers * (1 - beta2**number) / (1 - beta2)) * (1 - beta1) / (1 - beta1**number)
    except OverflowError:
        return math.inf


def measure(part: Part, role: str, network: nn.Module, config: Config, num_images: int) -> Size:
    """Check a part of a unit with `num_images` images, of the network "g" or "d", and return its size.

    Raises:
        BadResult: see `check_part` and `check_sums`; it is an `ImplausibleResult` if the form is right.
    """
    norm = check_part(part, network, config.aggregate.max_norm)
    check_sums(part, role, config, num_images)
    layers = {name: math.sqrt(float((sums[:-1].chunk(2)[1] / sums[-1]).mean())) for name, sums in part.sums.items()}
    return Size(norm, layers)


def check_metrics(metrics: Mapping[str, float]) -> None:
    """Check a result's losses and probabilities, each a mean over the unit's images.

    Raises:
        ImplausibleResult: if a loss is no float32 number, or a probability is not between 0 and 1.
    """
    largest = torch.finfo(torch.float32).max
    limits = {"d_loss": (-largest, largest), "g_loss": (-largest, largest), "d_real": (0, 1), "d_fake": (0, 1)}
    for name, (low, high) in limits.items():
        if not low - ROUNDED <= metrics[name] <= high + ROUNDED:
            raise ImplausibleResult(f"Its {name} is {metrics[name]:.3g}; it must be from {low:.3g} to {high:.3g}.")


def check_sums(part: Part, role: str, config: Config, num_images: int) -> None:
    """Check that a part's BatchNorm sums can be those of some `num_images` images.

    Raises:
        BadResult: if a layer counted another number of values than it has, or a variance is negative.
    """
    counts = expected_counts(role, config, num_images)
    for name, sums in part.sums.items():
        if float(sums[-1]) != counts[name]:
            raise BadResult(
                f"The BatchNorm sums of {name} are over {float(sums[-1]):g} values; {num_images} images have "
                f"{counts[name]}."
            )
        first, second = sums[:-1].chunk(2)
        if bool((second * (1 + 1e-6) < first.square() / sums[-1]).any()):
            raise BadResult(f"The BatchNorm sums of {name} belong to a negative variance.")


def expected_counts(role: str, config: Config, num_images: int) -> dict[str, int]:
    """Return for each BatchNorm layer of a network the number of values that a unit's statistics are over."""
    if isinstance(config.strategy, LocalStepsStrategy):
        bounds = step_bounds(num_images, config.strategy.micro_batch)
        num_images = sum(count for _, count in bounds[-STATISTICS_STEPS:])
    return {name: PASSES[role] * num_images * values for name, values in examine(config.model)[role].items()}
