"""Exercise 8: is collapse measured and found, and does the penalty prevent it?"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ganns.exercises import ring
from ganns.exercises.learner import LearnersError, Program
from ganns.exercises.report import Report
from ganns.exercises.tensors import said

MEASURE, FIRST, R1 = "measure", "first_collapse", "r1"
WEIGHT = 1.0
REACHED, GOOD = 7, 0.4
"""The modes, of eight, and the share of good points that the generator must reach with the penalty."""


def check(file: Path, report: Report) -> None:
    """Check a learner's file."""
    program = Program(file)
    for title, part in PARTS.items():
        with report.part(title):
            report.judge(title, part(program))
    with report.part(TRAINING):
        if report.passed:
            _training(program, report)
        else:
            report.wrong(TRAINING, "It is tried when the parts above are right.")


# --------------------------------------------------------------------------------------------------- measure

CORNERS = ((0.0, 0.0), (10.0, 0.0), (0.0, 10.0))
Points = list[tuple[float, float]]


def _measure(program: Program, points: Points, radius: float, least: float) -> tuple[int, float]:
    """Call the learner's `measure`."""
    found = program.call(MEASURE, torch.tensor(points), torch.tensor(CORNERS), radius, least)
    if not isinstance(found, tuple) or len(found) != 2:
        raise LearnersError(f"{MEASURE}() should return two numbers, modes and share, but returned {found!r:.200}.")
    modes, share = found
    if isinstance(modes, bool) or not isinstance(modes, int) or not isinstance(share, int | float):
        raise LearnersError(
            f"{MEASURE}() should return an int and a float, but returned {modes!r:.100} and {share!r:.100}: `int(...)` "
            "and\n`float(...)` make numbers of tensors."
        )
    return modes, float(share)


def _found(
    program: Program, points: Points, radius: float, least: float, expected: tuple[int, float], story: str, why: str
) -> str:
    modes, share = _measure(program, points, radius, least)
    if modes == expected[0] and abs(share - expected[1]) < 1e-4:
        return ""
    return (
        f"Centres (0, 0), (10, 0), (0, 10), radius {radius:g}, least {least:g}. {story}\n"
        f"Expected {expected[0]} modes, and the share {expected[1]:g}; got {modes}, and {share:g}.\n{why}"
    )


def _plain(program: Program) -> str:
    points = [(0.0, 0.0)] * 5 + [(10.0, 0.0)] * 4 + [(5.0, 5.0)]
    story = "5 points at (0, 0), 4 at (10, 0), one at (5, 5)."
    return _found(program, points, 1, 0.1, (2, 0.9), story, "Nine of ten points are good, and no one is near (0, 10).")


def _distance(program: Program) -> str:
    cases = (
        ((0.6, 0.6), 1.0, True, "Its distance is the root of 0.6² + 0.6², 0.85: not 1.2, the sum."),
        ((0.9, 0.9), 1.0, False, "Its distance is the root of 0.9² + 0.9², 1.27: not 0.9, the larger one."),
        ((0.8, 0.0), 0.7, False, "Its distance is 0.8. Do not compare the square, 0.64, with the radius."),
        ((1.6, 0.0), 2.0, True, "Its distance is 1.6. Do not compare the square, 2.56, with the radius."),
    )
    for point, radius, is_good, why in cases:
        expected = (1, 1.0) if is_good else (0, 0.0)
        if problem := _found(program, [point], radius, 0.1, expected, f"One point at {point}.", why):
            return problem
    return ""


def _stray(program: Program) -> str:
    points = [(0.0, 0.0)] * 17 + [(10.0, 0.0)] * 2 + [(0.0, 10.0)]
    story = "17 points at (0, 0), 2 at (10, 0), one at (0, 10)."
    why = "Two of 20 are the share 0.1, which is enough; one is not. All 20 are good."
    return _found(program, points, 1, 0.1, (2, 1.0), story, why)


def _all_points(program: Program) -> str:
    points = [(0.0, 0.0)] * 2 + [(50.0, 50.0)] * 18
    story = "2 points at (0, 0), 18 at (50, 50)."
    why = "`least` is a share of all points, not of the good ones."
    return _found(program, points, 1, 0.2, (0, 0.1), story, why)


def _broken(program: Program) -> str:
    points = [(0.0, 0.0), (float("nan"), 0.0), (float("nan"), float("nan")), (float("inf"), 0.0)]
    story = "One point at (0, 0), three that are NaN or infinite."
    return _found(program, points, 1, 0.1, (1, 0.25), story, "A broken generator's points are near nothing.")


# -------------------------------------------------------------------------------------------- first_collapse


def _counts(program: Program) -> str:
    cases: tuple[tuple[list[int], int | None, str], ...] = (
        ([0, 2, 5, 8, 8, 7, 4, 2], 6, "Version 6 has 4, which is half of 8: at most half."),
        ([0, 3, 6, 8, 8], None, "It only grows."),
        ([0, 1, 0, 2, 1, 3, 6, 8], None, "Counts below 4, half of 8, are a beginning, no collapse."),
        ([0, 4, 7, 4, 5, 6], None, "4 is more than half of 7."),
        ([0, 4, 7, 3, 5, 8], 3, "3 is at most half of 7, also if it recovers later."),
        ([8, 8, 1], 2, "The first count may be the largest."),
        ([4, 2, 8], 1, "4 is half of the 8 modes, so it counts, and 2 is half of it."),
        ([0, 4, 2, 8, 1], 2, "The first one is asked for. The largest count *before* it is 4."),
        ([], None, "There is no version."),
    )
    for counts, expected, why in cases:
        found: Any = program.call(FIRST, list(counts), 8)
        if found != expected or isinstance(found, bool):
            return f"Of 8 modes, the versions reach {counts}. Expected {expected}, got {found!r:.100}.\n{why}"
    return ""


# -------------------------------------------------------------------------------------------------------- r1


def _penalty(program: Program, discriminator: ring.Discriminator, points: torch.Tensor) -> torch.Tensor:
    """Call the learner's `r1`."""
    found = program.call(R1, discriminator, points)
    if not isinstance(found, torch.Tensor) or found.numel() != 1:
        what = f"of the shape {list(found.shape)}" if isinstance(found, torch.Tensor) else f"{found!r:.100}"
        raise LearnersError(f"{R1}() should return a tensor with one number, but returned one {what}.")
    return found.sum()


def _linear(program: Program) -> str:
    points = torch.tensor([[0.0, 0.0], [1.0, 2.0], [3.0, 1.0], [5.0, 5.0]])
    found = _penalty(program, lambda x: 3 * x[:, 0] + 4 * x[:, 1], points).item()
    reasons: dict[float, str] = {
        25: "The factor 1/2 is missing.",
        2.5: "That is half the norm; square it.",
        5: "That is the norm. Square it, and take half.",
        6.25: "You took the mean over both coordinates. |gradient|² is their sum; the mean is over points.",
        50: "You took the sum over points; take their mean.",
        100: "You took the sum over points, and the factor 1/2 is missing.",
        12.5 / 16: "You took the gradient of the mean output, which is divided by the 4 points. Take that of the sum.",
    }
    if abs(found - 12.5) < 1e-4:
        return ""
    return (
        "D(x, y) = 3x + 4y at four points. Its gradient is (3, 4) everywhere, and |(3, 4)|² = 25.\n"
        f"Expected 25 / 2 = 12.5, got {found:g}.{said(reasons, found)}"
    )


def _each_point(program: Program) -> str:
    points = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.0]])
    found = _penalty(program, lambda x: x[:, 0] ** 2 + x[:, 1], points).item()
    expected = 0.5 * (5 + 5 + 1) / 3
    reasons: dict[float, str] = {
        0.5: "You took the mean of the gradients first, and opposite ones cancelled. Square first, then average.",
        4.5: "You took the sum of the gradients first. Square each point's, then average.",
    }
    if abs(found - expected) < 1e-4:
        return ""
    return (
        "D(x, y) = x² + y at (1, 0), (-1, 0) and (0, 0). The gradients are (2, 1), (-2, 1) and (0, 1), their squared "
        f"norms\n5, 5 and 1. Expected (5 + 5 + 1) / 3 / 2 = {expected:.4g}, got {found:.4g}.{said(reasons, found)}"
    )


def _differentiable(program: Program) -> str:
    slope = torch.tensor(3.0, requires_grad=True)
    story = "D(x, y) = 3x, where 3 is D's weight w. R1 is w² / 2, so its derivative by w is w = 3."
    found = _penalty(program, lambda x: slope * x[:, 0], torch.tensor([[1.0, 2.0], [0.0, 1.0]]))
    if slope.grad is not None:
        return (
            f"{story}\nThe call wrote {slope.grad.item():g} into w's `.grad`: `backward()` does that. Use "
            "torch.autograd.grad with\nthe points as its inputs."
        )
    if not found.requires_grad:
        return (
            f"{story}\nThe result is {found.item():g}, but a constant for autograd: D would not learn from it.\n"
            "torch.autograd.grad needs `create_graph=True`."
        )
    (derivative,) = torch.autograd.grad(found, slope, allow_unused=True)
    got = 0.0 if derivative is None else derivative.item()
    return "" if abs(got - 3) < 1e-4 else f"{story}\nExpected the derivative 3, got {got:g}."


def _unchanged(program: Program) -> str:
    points = torch.tensor([[1.0, 2.0], [0.0, 1.0]])
    _penalty(program, lambda x: x[:, 0] ** 2, points)
    if points.requires_grad or points.grad is not None:
        return (
            "After the call, `real` requires a gradient: each later use of these points is recorded, too.\n"
            "Work on a copy: `real.detach().clone().requires_grad_()`."
        )
    return "" if points.tolist() == [[1, 2], [0, 1]] else "The call changed `real`."


# -------------------------------------------------------------------------------------------------- training


@functools.cache
def _without() -> list[torch.Tensor]:
    return ring.train(None, 0)


def _training(program: Program, report: Report) -> None:
    mine = ring.train(lambda discriminator, real: _penalty(program, discriminator, real), WEIGHT)
    curves = {
        name: " ".join(str(ring.num_reached(points)[0]) for points in versions)
        for name, versions in (("without", _without()), ("with", mine))
    }
    modes_at_end, share = ring.num_reached(mine[-1])
    numbers = (
        f"{ring.NUM_STEPS} steps of a GAN whose data has {ring.NUM_MODES} modes. The modes that it reached, every "
        f"{ring.EVERY} steps:\n{curves['without']} without the penalty,\n{curves['with']} with yours."
    )
    if modes_at_end >= REACHED and share >= GOOD:
        report.right(TRAINING, numbers)
    else:
        report.wrong(
            TRAINING,
            f"{numbers}\nAt the end {modes_at_end} modes, and {share:.0%} good points; expected at least {REACHED}, "
            f"and {GOOD:.0%}.",
        )


PARTS: dict[str, Callable[[Program], str]] = {
    "measure: two of three modes": _plain,
    "measure: the distance": _distance,
    "measure: one stray point is no mode": _stray,
    "measure: a share of all points": _all_points,
    "measure: points that are not finite": _broken,
    "first_collapse": _counts,
    "r1: a slope that is the same everywhere": _linear,
    "r1: the mean over points": _each_point,
    "r1: D can learn from it": _differentiable,
    "r1: the points stay as they were": _unchanged,
}
TRAINING = "a GAN with your penalty reaches the modes"
