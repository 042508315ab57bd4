"""Audits: compute an accepted result again, and compare it with what the worker sent.

A unit is a function of (version, images, seed, settings), so anyone who has the images can compute it again. A worker
that lies differs from the second result, whatever the lie is. Two right results of unlike machines differ, too, by
rounding that the unit may amplify; so the unit itself says how far they may be apart.

Everything here is a pure function. `trust.py` decides which results are audited, `ganns/coordinator/audits.py` carries
it out, docs/explain/robust.md has the measurements behind the numbers.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from ganns.config import Config
from ganns.data import ImageSet
from ganns.training.compression import get_codec
from ganns.training.parts import through_codec
from ganns.training.plan import Slice
from ganns.training.round_settings import RoundSettings, in_round
from ganns.training.seeds import generator, permutation
from ganns.training.unit import Part, Tensors, UnitComputer, UnitResult

AGREED = {"distance": 0.05, "sums": 0.03, "metrics": 0.03}
"""Two results agree that differ by no more than this; see `Difference`."""
NOISE = {"cpu": 1e-5, "other": 1e-3}
"""Relative noise in the weights in place of another machine's rounding, and ten times as large: float32, or a GPU's."""
SPREAD = 3.0
"""Two right results differ by at most this many times as much as the same unit with and without noise."""
MOST = {"distance": 1.3, "sums": 3.0, "metrics": 1.0}
"""A distance above this is wrong, however much the unit amplifies rounding: unrelated directions are 1.41 apart."""


# ------------------------------------------------------------------------------------------------------ comparing


@dataclass(frozen=True)
class Case:
    """A result of a worker, with all that its unit is computed from."""

    round: int
    unit: int
    slice: Slice
    settings: RoundSettings | None  # of the round
    weights: Tensors  # by "g.<parameter>" and "d.<parameter>"
    parts: dict[str, Part]
    metrics: dict[str, float]
    machine: dict[str, Any] = field(default_factory=dict)  # as `ganns.queue.machine.describe` says it of the worker's


@dataclass(frozen=True)
class Difference:
    """The differences between two results of one unit; each is 0 if the results are equal."""

    same: bool  # bit for bit
    distance: float  # relative, L2, of the gradient or change: the larger one of G's and D's
    sums: float  # of means and deviations of a BatchNorm layer's inputs, in deviations: the largest one
    metrics: float  # of losses and probabilities, relative above 1

    def exceeds(self, spread: Difference | None = None) -> bool:
        """Tell whether two right results do not differ so much.

        Args:
            spread: between results of this unit with and without noise in the weights; None: little.
        """
        for name in AGREED:
            if not getattr(self, name) <= allowed(name, 0.0 if spread is None else getattr(spread, name)):  # or is NaN
                return True
        return False


def allowed(name: str, usual: float) -> float:
    """Return the largest difference of two right results.

    Args:
        name: "distance", "sums" or "metrics", as in `Difference`.
        usual: this difference between results of the unit with and without noise in the weights.
    """
    return min(max(AGREED[name], SPREAD * usual), MOST[name])


@dataclass(frozen=True)
class AuditResult:
    """The outcome of an audit."""

    found: Difference
    alike: bool  # both machines compute the same bits
    agreed: bool


def audit(
    computer: UnitComputer,
    images: ImageSet,
    config: Config,
    case: Case,
    machine: Mapping[str, Any],
    should_stop: Callable[[], bool] = lambda: False,
) -> AuditResult | None:
    """Compute a unit again on this machine, and once more before its worker is blamed.

    Args:
        computer: of the run.
        images: the run's.
        config: the run's.
        case: the result.
        machine: this one, as `describe` says.
        should_stop: see `UnitComputer.compute`.

    Returns:
        The outcome; None if told to stop, or if this machine does not agree with itself.
    """
    alike = are_alike(case.machine, machine)
    own = recompute(computer, images, config, case, should_stop)
    if own is None:
        return None
    found = compare(case, own)
    if found.same or (not alike and not found.exceeds()):
        return AuditResult(found, alike, agreed=True)
    coarse = case.machine.get("device") != "cpu" or config.strategy.mixed_precision
    noise = 0.0 if alike else NOISE["other" if coarse else "cpu"]
    again = recompute(computer, images, config, case, should_stop, noise)
    if again is None:
        return None
    spread = compare(replace(case, parts=own.parts, metrics=own.metrics), again)
    if alike:
        return AuditResult(found, alike, agreed=False) if spread.same else None
    return AuditResult(found, alike, agreed=not found.exceeds(spread))


def recompute(
    computer: UnitComputer,
    images: ImageSet,
    config: Config,
    case: Case,
    should_stop: Callable[[], bool] = lambda: False,
    noise: float = 0.0,
) -> UnitResult | None:
    """Compute a case's unit, as the coordinator would have received it; None if told to stop.

    `noise`: see `compute_case`.
    """
    result = compute_case(computer, images, config, case, should_stop, noise)
    seed_parts = (config.seed, case.round, case.unit)
    return None if result is None else through_codec(result, get_codec(config.codec.up), seed_parts)


def compute_case(
    computer: UnitComputer,
    images: ImageSet,
    config: Config,
    case: Case,
    should_stop: Callable[[], bool] = lambda: False,
    noise: float = 0.0,
) -> UnitResult | None:
    """Compute a case's unit, as its worker had it before it was encoded; None if told to stop.

    With `noise` each weight is multiplied by 1 + noise * n, with n from a normal distribution.
    """
    epoch, start, count = case.slice
    chosen = permutation(config.seed, epoch, images.num_train)[start : start + count]
    weights, rng = case.weights, generator(config.seed, case.round, case.unit, "audit")
    if noise:
        weights = {n: value * (1 + noise * torch.randn(value.shape, generator=rng)) for n, value in weights.items()}
    computer.load(weights)
    computer.config = in_round(config, case.settings, case.round)
    seed_parts = (config.seed, case.round, case.unit)
    return computer.compute(images.train(chosen), seed_parts, should_stop=should_stop, labels=images.labels(chosen))


def compare(case: Case, own: UnitResult) -> Difference:
    """Return the differences between a worker's result and one's own."""
    theirs = case.parts
    same = case.metrics == own.metrics and all(
        _are_equal(theirs[role].gradients, part.gradients) and _are_equal(theirs[role].sums, part.sums)
        for role, part in own.parts.items()
    )
    if same:
        return Difference(True, 0.0, 0.0, 0.0)
    distance = max(_distance(theirs[role].gradients, part.gradients) for role, part in own.parts.items())
    sums = [
        _sums_apart(theirs[role].sums[name], mine)
        for role, part in own.parts.items()
        for name, mine in part.sums.items()
    ]
    metrics = [abs(case.metrics[name] - mine) / max(1.0, abs(mine)) for name, mine in own.metrics.items()]
    return Difference(False, distance, _largest(sums), _largest(metrics))


def _are_equal(a: Tensors, b: Tensors) -> bool:
    return all(torch.equal(a[name], value.cpu()) for name, value in b.items())


def _distance(theirs: Tensors, mine: Tensors) -> float:
    """Return |theirs - mine| / |mine|, over all tensors together."""
    apart = torch.stack([(theirs[name] - value.cpu()).norm() for name, value in mine.items()]).norm()
    return float(apart) / max(float(torch.stack([value.norm().cpu() for value in mine.values()]).norm()), 1e-30)


def _sums_apart(theirs: torch.Tensor, mine: torch.Tensor) -> float:
    """Return how far two layers' means and deviations [C] are apart, in standard deviations; root mean square."""

    def moments(sums: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        first, second = (sums[:-1] / sums[-1]).chunk(2)
        return first, (second - first.square()).clamp_min(0).sqrt()

    (mean, deviation), (my_mean, my_deviation) = moments(theirs), moments(mine.cpu())
    scale = my_deviation.clamp_min(1e-6 * float(my_deviation.max()) + 1e-30)
    apart = ((mean - my_mean) / scale).square() + ((deviation - my_deviation) / scale).square()
    return float(apart.mean().sqrt())


def _largest(values: list[float]) -> float:
    """Return the largest value, 0 of none; NaN if one is NaN, which `max` may overlook."""
    return math.nan if any(math.isnan(value) for value in values) else max(values, default=0.0)


def are_alike(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """Tell whether two machines, as `ganns.queue.machine.describe` describes them, compute the same bits.

    That was measured for one thread, one kind of processor and one build of PyTorch. A worker that says otherwise of
    itself than is true can only choose between this comparison and that by distance.
    """
    keys = ("device", "threads", "torch", "processor", "compiled", "ganns")
    return (
        a.get("device") == "cpu"
        and a.get("threads") == 1
        and bool(a.get("processor"))
        and all(a.get(key) == b.get(key) for key in keys)
    )


# ----------------------------------------------------------------------------------------- a case, for a trusted worker

_UNIT, _SETTINGS, _METRICS, _MACHINE = ".unit", ".settings", ".metrics", ".machine"
_NAMES = ("d_loss", "g_loss", "d_real", "d_fake")


def to_tensors(case: Case) -> Tensors:
    """Return a case as tensors, to be stored; the inverse of `from_tensors`."""
    tensors = {f"weights.{name}": value for name, value in case.weights.items()}
    for role, part in case.parts.items():
        tensors |= {f"gradient.{role}.{name}": value for name, value in part.gradients.items()}
        tensors |= {f"sums.{role}.{name}": value for name, value in part.sums.items()}
    tensors[_UNIT] = torch.tensor([case.round, case.unit, *case.slice], dtype=torch.int64)
    tensors[_METRICS] = torch.tensor([case.metrics[name] for name in _NAMES], dtype=torch.float64)
    tensors[_MACHINE] = torch.tensor(list(json.dumps(case.machine).encode()), dtype=torch.uint8)
    if case.settings is not None:
        values = [float(value) for value in vars(case.settings).values()]
        tensors[_SETTINGS] = torch.tensor(values, dtype=torch.float64)
    return tensors


def from_tensors(tensors: Tensors) -> Case:
    """Return the case that `to_tensors` described."""

    def below(prefix: str) -> Tensors:
        return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}

    round_, unit, *cut = tensors[_UNIT].tolist()
    settings = None
    if _SETTINGS in tensors:
        size, images, batch, *rates = tensors[_SETTINGS].tolist()
        settings = RoundSettings(int(size), int(images), int(batch), *rates)
    parts = {role: Part(below(f"gradient.{role}."), below(f"sums.{role}.")) for role in ("d", "g")}
    metrics = dict(zip(_NAMES, tensors[_METRICS].tolist(), strict=True))
    machine = json.loads(bytes(tensors[_MACHINE].tolist()))
    return Case(round_, unit, Slice(*cut), settings, below("weights."), parts, metrics, machine)
