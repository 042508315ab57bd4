"""Exercise 9: are gradients as old as asked for, is the limit of the rate found, and do old results count less?"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ganns.exercises.learner import LearnersError, Program
from ganns.exercises.report import Report
from ganns.exercises.tensors import Tensors, copied, require_gradients, require_tensor, said

TRAIN, LARGEST, COMBINE = "train", "largest_rate", "combine"
Results = list[tuple[int, int, Tensors]]
AGES = (0, 1, 3)
TOLERANCE = 0.05
VERSION, MAX_AGE = 10, 3


def check(file: Path, report: Report) -> None:
    """Check a learner's file."""
    program = Program(file)
    for title, part in PARTS.items():
        with report.part(title):
            report.judge(title, part(program))
    with report.part(LIMITS):
        _limits(program, report)
    with report.part(SLOW):
        _slow_workers(program, report)


# ----------------------------------------------------------------------------------------------------- train


def _versions(program: Program, rate: float, num_rounds: int, age: int) -> list[float]:
    """Return the learner's versions for the loss w^2 / 2, from w = 8."""
    start = torch.tensor([8.0])
    found = program.call(TRAIN, lambda w: w.clone(), start, rate, num_rounds, age)
    if not isinstance(found, list) or len(found) != num_rounds + 1:
        what = f"a list of {len(found)}" if isinstance(found, list) else f"a {type(found).__name__}"
        raise LearnersError(
            f"{TRAIN}() should return a list of {num_rounds + 1} versions for {num_rounds} rounds, from `start` to the "
            f"last one, but returned {what}."
        )
    for number, one in enumerate(found):
        require_tensor(one, start, f"Version {number}")
    return [float(one) for one in found]


def _compare(program: Program, age: int, expected: list[float], story: str, mistakes: dict[str, list[float]]) -> str:
    found = _versions(program, 0.25, len(expected) - 1, age)
    if all(abs(a - b) < 1e-4 for a, b in zip(found, expected, strict=True)):
        return ""
    known = {text: values for text, values in mistakes.items() if values == [round(w, 5) for w in found]}
    why = next(iter(known), "")
    if not why and len({*found}) == 1:
        why = (
            "All versions are equal: an operation in place (`-=`, `sub_`) changes the tensor that is in the list "
            "already. Make a new one."
        )
    return (
        f"The loss is w^2 / 2, so the gradient is w; w = 8, rate 0.25, age {age}. {story}\n"
        f"Expected {_listed(expected)}, got {_listed(found)}.\n{why}".rstrip()
    )


def _listed(values: list[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


_NEWEST = "These gradients are not old: each is that of the newest version."
_WAITS = "You made no step while nothing was old enough: there the gradient is that of version 0."
_OLDER = "These gradients are one version too old."


def _fresh(program: Program) -> str:
    mistakes: dict[str, list[float]] = {
        "You added the gradient: subtract it.": [8, 10, 12.5, 15.625],
        "The rate is missing.": [8, 0, 0, 0],
        _OLDER: [8, 6, 4, 2.5],
    }
    return _compare(program, 0, [8, 6, 4.5, 3.375], "Each step is 0.25 times the newest version.", mistakes)


def _one_old(program: Program) -> str:
    mistakes: dict[str, list[float]] = {
        _NEWEST: [8, 6, 4.5, 3.375, 2.53125],
        _WAITS: [8, 8, 6, 4, 2.5],
        _OLDER: [8, 6, 4, 2, 0.5],
        "All these gradients are those of version 0.": [8, 6, 4, 2, 0],
    }
    story = "The gradients are those of versions 0, 0, 1, 2."
    return _compare(program, 1, [8, 6, 4, 2.5, 1.5], story, mistakes)


def _two_old(program: Program) -> str:
    mistakes: dict[str, list[float]] = {
        _NEWEST: [8, 6, 4.5, 3.375, 2.53125, 1.89844],
        _WAITS: [8, 8, 8, 6, 4, 2],
        _OLDER: [8, 6, 4, 2, 0, -1.5],
        "A negative index counts from the end of a list: version -1 became the newest one. Take version 0 there.": (
            [8, 6, 4.5, 2.5, 1, -0.125]
        ),
    }
    story = "The gradients are those of versions 0, 0, 0, 1, 2."
    return _compare(program, 2, [8, 6, 4, 2, 0.5, -0.5], story, mistakes)


def _start(program: Program) -> str:
    start = torch.tensor([8.0])
    program.call(TRAIN, lambda w: w.clone(), start, 0.25, 3, 1)
    found = start.item()
    return "" if found == 8 else f"`start` is 8 before the call, and {found:g} after it: make new tensors."


# ---------------------------------------------------------------------------------------------- largest_rate


def _limit(age: int) -> float:
    """Return the largest rate for the loss w^2 / 2: the equation z^(age + 1) - z^age + rate = 0 has |z| = 1 there."""
    return 2 * math.sin(math.pi / (2 * (2 * age + 1)))


def _limits(program: Program, report: Report) -> None:
    found = {}
    for age in AGES:
        rate = program.call(LARGEST, age)
        if isinstance(rate, bool) or not isinstance(rate, int | float):
            raise LearnersError(f"{LARGEST}({age}) should return a number, but returned {rate!r:.100}.")
        found[age] = float(rate)
    wrong = next((age for age in AGES if not abs(found[age] / _limit(age) - 1) < TOLERANCE), None)
    numbers = ", ".join(f"age {age}: {rate:.3g}" for age, rate in found.items())
    if wrong is None:
        report.right(LIMITS, f"{numbers}. An old gradient needs a smaller rate.")
        return
    below, above = (_swing(factor * _limit(wrong), wrong) for factor in (0.9, 1.1))
    report.wrong(
        LIMITS,
        f"{numbers}. Expected about {_limit(wrong):.3g} for age {wrong}.\nFrom w = 1 and after 400 rounds, w swings by "
        f"{below:.2g} with a rate 10 % below that, and by {above:.2g} with one 10 % above.\n"
        "Look at several of the last versions: one alone may be near 0 in the middle of a swing.",
    )


def _swing(rate: float, age: int) -> float:
    """Return the largest distance from 0 in the last 20 of 400 rounds."""
    versions = [1.0]
    for number in range(400):
        versions.append(versions[-1] - rate * versions[max(0, number - age)])
    return max(map(abs, versions[-20:]))


# --------------------------------------------------------------------------------------------------- combine


def _one(value: float) -> Tensors:
    return {"w": torch.tensor([value])}


def _combine(program: Program, results: Results, like: Tensors) -> Tensors:
    """Call the learner's `combine` with results that count."""
    found: Any = program.call(COMBINE, results, VERSION, MAX_AGE)
    if found is None:
        raise LearnersError(
            f"{COMBINE}() returned None, though there are results that count: computed at "
            f"{_listed([at for at, _, _ in results])}, the version is {VERSION}, max_age {MAX_AGE}."
        )
    return require_gradients(found, like, COMBINE)


def _case(program: Program, results: list[tuple[int, int, float]], how: str, reasons: dict[float, str]) -> str:
    """Return the problem, or "": `how` is the calculation, which ends with the expected value."""
    expected = float(how.rpartition(" ")[2])
    found = _combine(program, [(at, images, _one(value)) for at, images, value in results], _one(0.0))["w"].item()
    if abs(found - expected) < 1e-4:
        return ""
    listed = "; ".join(
        f"{images} images at version {at} (age {VERSION - at}), gradient {value:g}" for at, images, value in results
    )
    return f"Version {VERSION}, max_age {MAX_AGE}: {listed}.\nExpected {how}, got {found:g}.{said(reasons, found)}"


_BY_WEIGHTS = "You divided by the sum of the weights. Divide by the images: old results make a small step."


def _all_fresh(program: Program) -> str:
    reasons: dict[float, str] = {
        2: "That is the mean of the two units: weight each by its images.",
        12: "Divide by the number of images.",
        6: "Divide by the number of images, not by that of units.",
    }
    return _case(program, [(10, 1, 0.0), (10, 3, 4.0)], "(1*0 + 3*4) / 4 = 3", reasons)


def _older(program: Program) -> str:
    reasons: dict[float, str] = {
        4: "The age does not count: that is the mean of both.",
        14 / 3: _BY_WEIGHTS,
        3: "The old result does not count at all, but its images do. Its age is within max_age.",
        6: "The old result does not count, though its age is within max_age.",
        3.25: "The weight is 1 / (1 + age), not its square.",
        2.5: "The older one has the larger weight.",
        7: "Divide by the number of images, not by that of units.",
        14: "Divide by the number of images.",
    }
    return _case(program, [(10, 2, 6.0), (9, 2, 2.0)], "(2*6 + 2*2/2) / 4 = 3.5", reasons)


def _alone(program: Program) -> str:
    reasons: dict[float, str] = {
        8: f"{_BY_WEIGHTS} Here, a step with old results alone would be a whole one.",
        10: "Divide by the number of images.",
    }
    return _case(program, [(7, 5, 8.0)], "(5*8/4) / 5 = 2", reasons)


def _too_old(program: Program) -> str:
    reasons: dict[float, str] = {
        6: f"A result of age {MAX_AGE} is not older than max_age: it counts.",
        1.625: "The discarded result does not count, but its images do: leave them out, too.",
        11.625: f"A result of age {MAX_AGE + 1} is older than max_age: discard it.",
    }
    results = [(10, 2, 6.0), (7, 2, 2.0), (6, 4, 100.0)]
    return _case(program, results, "(2*6 + 2*2/4) / 4 = 3.25", reasons)


def _later(program: Program) -> str:
    reasons: dict[float, str] = {
        -47: "An age of -2 gives the weight 1 / (1 - 2) = -1.",
        53: "It counts in full, as if its age were 0.",
        (12 + 200 / 3) / 4: "You took the age's absolute value.",
        3: "Its gradient does not count, but its images do: leave them out, too.",
    }
    problem = _case(program, [(10, 2, 6.0), (12, 2, 100.0)], "the first one alone: 6", reasons)
    return problem and (
        f"{problem}\nThe run went back from version 12 to {VERSION}: discard gradients of weights that nobody has."
    )


def _nothing(program: Program) -> str:
    cases: list[tuple[Results, str]] = [([], "No result"), ([(5, 2, _one(1.0))], "One result, of age 5")]
    for results, what in cases:
        if (found := program.call(COMBINE, results, VERSION, MAX_AGE)) is not None:
            return (
                f"{what}, and max_age is {MAX_AGE}: nothing is left. Expected None, got {found!r:.60}.\nThe "
                "coordinator then waits. A step with a gradient of zeros would still change Adam's moments."
            )
    return ""


def _unchanged(program: Program) -> str:
    given: Results = [(10, 2, _one(1.0)), (9, 2, _one(5.0))]
    before = [copied(gradients) for _, _, gradients in given]
    program.call(COMBINE, given, VERSION, MAX_AGE)
    for (_, _, gradients), old in zip(given, before, strict=True):
        if gradients["w"].item() != old["w"].item():
            return (
                f"The gradient {old['w'].item():g} is {gradients['w'].item():g} after the call. An operation in place "
                "(`*=`, `mul_`, `add_`) changes the result: make new tensors."
            )
    return ""


def _slow_workers(program: Program, report: Report) -> None:
    """Train with workers of different speed, once with the learner's `combine`, once with all results in full."""

    def mine(results: Results, version: int) -> Tensors | None:
        shifted = [(at - version + VERSION, images, gradients) for at, images, gradients in results]
        return _combine(program, shifted, _one(0.0))

    def in_full(results: Results, version: int) -> Tensors | None:
        return {"w": torch.stack([gradients["w"] for _, _, gradients in results]).mean(0)}

    yours, others = _with_slow_workers(mine), _with_slow_workers(in_full)
    numbers = (
        f"Four workers, whose gradients are {_listed([*SPEEDS])} versions old; {NUM_ROUNDS} steps with rate {RATE}: "
        f"from 10 to {yours:.2g} with\nyour function, and to {others:.2g} if all results count in full."
    )
    if yours < 0.01:
        report.right(SLOW, numbers)
    else:
        report.wrong(SLOW, f"{numbers} Expected less than 0.01.")


SPEEDS, NUM_ROUNDS, RATE = (0, 3, 3, 9), 100, 1.5


def _with_slow_workers(combine: Callable[[Results, int], Tensors | None]) -> float:
    """Return the largest distance from the minimum of w^2 / 2 in the last ten rounds."""
    versions = [torch.tensor([10.0])]
    for version in range(NUM_ROUNDS):
        ages = [min(age, version) for age in SPEEDS]
        results = [(version - age, 8, {"w": versions[version - age].clone()}) for age in ages]
        found = combine(results, version)
        versions.append(versions[-1] - RATE * found["w"] if found else versions[-1])
    return max(abs(float(one)) for one in versions[-10:])


PARTS: dict[str, Callable[[Program], str]] = {
    "train: age 0 is plain training": _fresh,
    "train: age 1": _one_old,
    "train: age 2": _two_old,
    "train: the first version stays as it was": _start,
    "combine: new results": _all_fresh,
    "combine: an old result counts less": _older,
    "combine: an old result alone makes a small step": _alone,
    "combine: a result that is too old is discarded": _too_old,
    "combine: a result of a version that is gone is discarded": _later,
    "combine: nothing is left": _nothing,
    "combine: the results stay as they were": _unchanged,
}
LIMITS = "largest_rate: what a gradient's age costs"
SLOW = "both together: a class with slow workers"
