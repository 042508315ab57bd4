"""Audits: compute an accepted result again, compare, and decide how much a login is trusted.

A unit is a function of (version, images, seed, settings), so anyone who has the images can compute it again. A worker
that lies differs from the second result, whatever the lie is, and cannot know which of its results are looked at. New
logins are audited always, until `audit.first` results in a row agreed; then with a probability that falls with trust.
That is BOINC's adaptive replication (Anderson, arXiv 1903.01699), where the second result comes from a stranger; here
it comes from the coordinator, or from a worker of a login that the instructor trusts.

Everything here is a pure function. `ganns/coordinator/audits.py` carries it out, docs/explain/robust.md has the
measurements behind the numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from ganns.config import AuditConfig, Config
from ganns.data import ImageSet
from ganns.training.compression import get_codec
from ganns.training.parts import through_codec
from ganns.training.per_class import RoundSettings, in_round
from ganns.training.plan import Slice
from ganns.training.seeds import permutation
from ganns.training.unit import Part, Tensors, UnitComputer, UnitResult

FLOOR = 0.25
"""The probability of an audit never falls below this part of `audit.share`: a login that turns is found, too."""
DISTANCE = {"gradient": 0.05, "local_steps": 0.5}
"""Largest relative L2 distance of a network's gradient, or change, from the one that another machine computed."""
SUMS, METRICS = 0.05, 0.05
"""The same for BatchNorm's sums, in standard deviations of a layer's inputs, and for losses and probabilities."""


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


@dataclass(frozen=True)
class Difference:
    """The differences between two results of one unit; each is 0 if the results are equal."""

    same: bool  # bit for bit
    distance: float  # the larger one of G's and D's
    sums: float  # the largest one of all BatchNorm layers
    metrics: float

    def is_wrong(self, config: Config, alike: bool) -> bool:
        """Tell whether two correct machines cannot differ so much; `alike`: these two compute the same bits."""
        if alike:
            return not self.same
        within = self.distance <= DISTANCE[config.strategy.name] and self.sums <= SUMS and self.metrics <= METRICS
        return not within  # NaN is wrong


def recompute(
    computer: UnitComputer,
    images: ImageSet,
    config: Config,
    case: Case,
    should_stop: Callable[[], bool] = lambda: False,
) -> UnitResult | None:
    """Compute a case's unit, as the coordinator would have received it; None if told to stop."""
    epoch, start, count = case.slice
    chosen = permutation(config.seed, epoch, images.num_train)[start : start + count]
    computer.load(case.weights)
    computer.config = in_round(config, case.settings)
    seed_parts = (config.seed, case.round, case.unit)
    result = computer.compute(images.train(chosen), seed_parts, should_stop=should_stop, labels=images.labels(chosen))
    return None if result is None else through_codec(result, get_codec(config.codec.name))


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


# --------------------------------------------------------------------------------------------------------- trust


@dataclass(frozen=True)
class Trust:
    """What is known of a login's results."""

    agreed: int = 0  # audits in a row
    failed: int = 0  # audits of this run that found a wrong result
    results: int = 0  # accepted since it is trusted, of this run
    audits: int = 0  # chosen by chance since it is trusted, of this run

    def after(self, agreed: bool) -> Trust:
        """Return the trust after an audit: a wrong result is never made up for, and all that follow are audited."""
        return replace(self, agreed=self.agreed + 1) if agreed else replace(self, agreed=0, failed=self.failed + 1)

    def counted(self, config: AuditConfig, chosen: bool) -> Trust:
        """Return the trust after an accepted result, which was or was not chosen for an audit."""
        if self.agreed < config.first:
            return self
        return replace(self, results=self.results + 1, audits=self.audits + chosen)


def probability(trust: Trust, config: AuditConfig) -> float:
    """Return the probability that the next result is audited.

    It is 1 for the first results, then 1 / n after n that agreed in a row (as BOINC's), between `share` and a quarter
    of it. A login that turns after n results is first found after 1 / p results on average, and then always.
    """
    if trust.agreed < config.first:
        return 1.0
    return max(FLOOR * config.share, min(config.share, 1 / max(1, trust.agreed)))


def is_chosen(trust: Trust, config: AuditConfig, draw: float) -> bool:
    """Tell whether a result is audited.

    Args:
        trust: of its login, before this result.
        config: the run's `audit.*`.
        draw: a random number from [0, 1) that no worker can know.
    """
    if trust.agreed < config.first:
        return True
    is_paid = trust.audits < config.share * (trust.results + 1) + 1
    return is_paid and draw < probability(trust, config)


def is_out(trust: Trust, config: AuditConfig) -> bool:
    """Tell whether a login's results are taken no more."""
    return trust.failed >= config.failures


def is_auditor_suspect(trusts: Mapping[Any, Trust]) -> bool:
    """Tell whether rather the auditor is broken: it disagrees with most of the logins that it has looked at."""
    seen = [trust for trust in trusts.values() if trust.agreed or trust.failed]
    failed = sum(trust.failed > 0 for trust in seen)
    return failed >= 2 and 2 * failed > len(seen)


# ----------------------------------------------------------------------------------------- a case, for a trusted worker

_UNIT, _SETTINGS, _METRICS = ".unit", ".settings", ".metrics"
_NAMES = ("d_loss", "g_loss", "d_real", "d_fake")


def to_tensors(case: Case) -> Tensors:
    """Return a case as tensors, to be stored; the inverse of `from_tensors`."""
    tensors = {f"weights.{name}": value for name, value in case.weights.items()}
    for role, part in case.parts.items():
        tensors |= {f"gradient.{role}.{name}": value for name, value in part.gradients.items()}
        tensors |= {f"sums.{role}.{name}": value for name, value in part.sums.items()}
    tensors[_UNIT] = torch.tensor([case.round, case.unit, *case.slice], dtype=torch.int64)
    tensors[_METRICS] = torch.tensor([case.metrics[name] for name in _NAMES], dtype=torch.float64)
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
    return Case(round_, unit, Slice(*cut), settings, below("weights."), parts, metrics)
