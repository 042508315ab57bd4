"""Change a unit's honest result into the one that a hostile worker sends, for `benchmarks.attack`.

The attackers know everything: the honest results of the round, and the rule.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch

from ganns.training.unit import Part, UnitResult

Attack = Callable[["Scene", UnitResult], UnitResult]


@dataclass
class Scene:
    """Hold all that an attacker sees."""

    seed: int
    worker: int
    round: int
    honest: list[UnitResult]  # all workers' honest results of the round
    memory: dict[str, UnitResult] = field(default_factory=dict)  # of this worker
    is_trusted: bool = False  # whether ten audits in a row agreed


def of_gradients(result: UnitResult, change: Callable[[str, str, torch.Tensor], torch.Tensor]) -> UnitResult:
    """Return the result with each gradient replaced by `change(role, name, gradient)`."""
    parts = {
        role: Part({name: change(role, name, value) for name, value in part.gradients.items()}, part.sums)
        for role, part in result.parts.items()
    }
    return replace(result, parts=parts)


def norms(result: UnitResult) -> dict[str, float]:
    """Return the norm of each network's gradient."""
    return {r: float(torch.stack([v.norm() for v in p.gradients.values()]).norm()) for r, p in result.parts.items()}


def directed(result: UnitResult, size: float, *seed: int, keep: float) -> UnitResult:
    """Return `keep` times the gradients plus a random direction, `size` times as long as they are."""
    rng = torch.Generator().manual_seed(hash(seed) % 2**31)
    noise = of_gradients(result, lambda role, name, value: torch.randn(value.shape, generator=rng))
    scale = {role: size * norm / norms(noise)[role] for role, norm in norms(result).items()}
    return of_gradients(
        result, lambda role, name, value: keep * value + scale[role] * noise.parts[role].gradients[name]
    )


def times(factor: float) -> Attack:
    """Return the attack that multiplies the gradients."""
    return lambda scene, result: of_gradients(result, lambda role, name, value: factor * value)


def stale(scene: Scene, result: UnitResult) -> UnitResult:
    """Send the first result again and again, and compute no other."""
    return scene.memory.setdefault("first", result)


def moments(scene: Scene, role: str, name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the mean and the deviation of the honest workers' gradients."""
    values = torch.stack([one.parts[role].gradients[name] for one in scene.honest])
    return values.mean(dim=0), values.std(dim=0)


def little(scene: Scene, result: UnitResult) -> UnitResult:
    """A little is enough (Baruch et al., arXiv 1902.06156): the mean minus 1.5 deviations of each number."""

    def change(role: str, name: str, value: torch.Tensor) -> torch.Tensor:
        mean, deviation = moments(scene, role, name)
        return mean - 1.5 * deviation

    return of_gradients(result, change)


def inner_product(scene: Scene, result: UnitResult) -> UnitResult:
    """Inner product manipulation (Xie et al., arXiv 1903.03936): -5 times the mean, so that two of ten turn it."""
    return of_gradients(result, lambda role, name, value: -5 * moments(scene, role, name)[0])


def false_sums(scene: Scene, result: UnitResult) -> UnitResult:
    """Send BatchNorm's sums of inputs that are 5 times as far from 0; the gradients are right."""
    parts = {}
    for role, part in result.parts.items():
        sums = {}
        for name, value in part.sums.items():
            first, second = value[:-1].chunk(2)
            sums[name] = torch.cat([5 * first, 25 * second, value[-1:]])
        parts[role] = Part(part.gradients, sums)
    return replace(result, parts=parts)


def turncoat(scene: Scene, result: UnitResult) -> UnitResult:
    """Be honest until trusted, then send the opposite."""
    scene.memory["turned" if scene.is_trusted else "honest"] = result
    return times(-1.0)(scene, result) if "turned" in scene.memory else result


ATTACKS: dict[str, Attack] = {
    "nan": times(math.nan),
    "x1000": times(1000.0),
    "x50": times(50.0),
    "sign_flip": times(-1.0),
    "random": lambda scene, result: directed(result, 1.0, scene.seed, scene.worker, scene.round, keep=0.0),
    "small_bias": lambda scene, result: directed(result, 0.1, scene.seed, 1, keep=1.0),
    "stale": stale,
    "colluding": lambda scene, result: directed(result, 1.0, scene.seed, 2, keep=0.0),
    "little_is_enough": little,
    "inner_product": inner_product,
    "false_batchnorm": false_sums,
    "turncoat": turncoat,
}
