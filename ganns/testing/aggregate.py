"""Checks of an aggregation rule."""

from __future__ import annotations

import torch

from ganns.config import AggregateConfig
from ganns.training.aggregation import Rule
from ganns.utils.checks import OK, Finding, note, run

Tensors = dict[str, torch.Tensor]
SHAPES = {"layers.0.weight": (4, 3, 4, 4), "layers.0.bias": (4,), "scale": ()}
COUNTS = [64, 64, 64, 64, 10]
"""Five units, the last one short, as at the end of an epoch."""


def check_aggregate(rule: type[Rule], config: AggregateConfig | None = None) -> list[Finding]:
    """Try an aggregation rule on a handful of results."""
    settings = config or AggregateConfig()

    def combined(results: list[Tensors], counts: list[int] = COUNTS) -> Tensors:
        made = rule(settings)
        for gradients, count in zip(results, counts, strict=True):
            made.add(gradients, count)
        return made.combine()

    results = [_gradients(seed) for seed in range(5)]

    def shapes() -> str | None:
        found = {name: (tuple(t.shape), t.dtype) for name, t in combined(results).items()}
        wanted = {name: (shape, torch.float32) for name, shape in SHAPES.items()}
        return None if found == wanted else f"of {wanted} it made {found}"

    def finite() -> str | None:
        update = combined([{n: 1e6 * t for n, t in one.items()} for one in results])
        bad = [name for name, value in update.items() if not bool(value.isfinite().all())]
        return f"{bad[0]} has a number that is not finite" if bad else None

    def unchanged() -> str | None:
        mine = [{name: value.clone() for name, value in one.items()} for one in results]
        combined(mine)
        same = all(torch.equal(a[n], b[n]) for a, b in zip(mine, results, strict=True) for n in a)
        return None if same else "a tensor that was given to `add` is another one afterwards: use a copy"

    def again() -> str | None:
        return _differs(combined(results), combined(results), 0.0)

    def equal() -> str | None:
        return _differs(combined([results[0]] * 5), results[0], 1e-5)

    def alone() -> str | None:
        return _differs(combined(results[:1], [64]), results[0], 1e-5)

    def order() -> str | None:
        turned = [3, 0, 4, 2, 1]
        return _differs(combined([results[k] for k in turned], [COUNTS[k] for k in turned]), combined(results), 1e-4)

    findings = run(
        [
            ("names, shapes and dtype stay", shapes),
            ("large results give finite numbers", finite),
            ("`add` does not change its arguments", unchanged),
            ("the same results give the same update, bit for bit", again),
            ("equal results give that result", equal),
            ("one result alone gives that result", alone),
            ("which unit had which number does not matter, but for rounding", order),
        ]
    )
    if all(one.state == OK for one in findings):
        weighted = _differs(combined(results, [640, 64, 64, 64, 10]), combined(results), 1e-3) is not None
        wild = [*results[:4], {name: 1e6 * value for name, value in results[4].items()}]
        size = max(float(value.abs().max()) for value in combined(wild, [64] * 5).values())
        how = "a unit counts by its images" if weighted else "every unit counts the same, however many images it has"
        findings.append(note("weights", how))
        survives = "is survived" if size < 100 else f"gives an update of up to {size:.0f}"
        findings.append(note("robustness", f"one of five results a million times too large {survives}"))
    return findings


def _gradients(seed: int) -> Tensors:
    """Return a possible result of a unit: a common direction, and noise of the same size."""
    common, rng = torch.Generator().manual_seed(99), torch.Generator().manual_seed(seed)
    return {
        name: torch.randn(shape, generator=common) + torch.randn(shape, generator=rng) for name, shape in SHAPES.items()
    }


def _differs(found: Tensors, wanted: Tensors, tolerance: float) -> str | None:
    for name, value in wanted.items():
        away = float((found[name] - value).norm())
        if not away <= tolerance * max(float(value.norm()), 1e-12):
            return f"{name} is {away:.3g} away, where its norm is {float(value.norm()):.3g}"
    return None
