"""Exercise 7: are the local steps steps, is a unit a function of its inputs, and is the outer step the mean?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ganns.exercises.learner import LearnersError, Program
from ganns.exercises.report import Report
from ganns.exercises.tensors import Tensors, copied, require_gradients, said, show
from ganns.training.seeds import generator

UNIT, OUTER = "unit", "outer_step"
Unit = Callable[[Tensors, list[Any]], Tensors]
Outer = Callable[[Tensors, list[tuple[int, Tensors]]], Tensors]
NUM_ROUNDS, NUM_WORKERS, NUM_STEPS, NUM_SAMPLES = 5, 2, 4, 8


def check(file: Path, report: Report) -> None:
    """Check a learner's file."""
    program = Program(file)
    for title, part in PARTS.items():
        with report.part(title):
            report.judge(title, part(program))
    with report.part(TRAINING):
        _training(program, report)


# ------------------------------------------------------------------------------------------------------ unit


def _sgd(tensors: list[torch.Tensor]) -> torch.optim.Optimizer:
    return torch.optim.SGD(tensors, lr=0.25)


def _adam(tensors: list[torch.Tensor]) -> torch.optim.Optimizer:
    return torch.optim.Adam(tensors, lr=0.25, betas=(0.5, 0.999))


def _change(program: Program, weights: Tensors, batches: list[Any], gradient: Any, optimizer: Any = _sgd) -> Tensors:
    """Call the learner's `unit`."""
    return require_gradients(program.call(UNIT, weights, batches, gradient, optimizer), weights, UNIT)


def _slope(weights: Tensors, target: float) -> Tensors:
    """Return the gradient of (w - target)^2 / 2."""
    return {"w": weights["w"] - target}


def _eight() -> Tensors:
    return {"w": torch.tensor([8.0])}


def _one_step(program: Program) -> str:
    found = _change(program, _eight(), [4.0], _slope)["w"].item()
    if abs(found - 1) < 1e-5:
        return ""
    reasons: dict[float, str] = {
        -1: "That is after minus before. The coordinator subtracts what it gets, so this would climb.",
        7: "These are the weights after the step; return the weights before minus the weights after.",
        4: "That is the gradient. Let the optimizer make a step with it, and return how far the weights moved.",
        0: "The optimizer needs each tensor's `.grad`, then `step()`. Or did you move `weights` themselves, and "
        "compare them\nwith themselves? Begin with copies: `tensor.clone()`.",
    }
    return (
        "w = 8, one batch with the loss (w - 4)^2 / 2, SGD with rate 0.25. The gradient is 4, so w moves to 7.\n"
        f"Expected the change 8 - 7 = 1, got {found:g}.{said(reasons, found)}"
    )


def _two_steps(program: Program) -> str:
    found = _change(program, _eight(), [0.0, 4.0], _slope)["w"].item()
    if abs(found - 2.5) < 1e-5:
        return ""
    reasons: dict[float, str] = {
        3: "You took both gradients at w = 8. A local step begins where the last one ended: take the second one at 6.",
        2: "That is the first step alone: make one for each batch.",
        1: "That is a step with the last batch alone: make one for each batch.",
        0.5: "That is how far the last step moved; subtract the weights after it from those before the first one.",
        1.5: "That is one step with the mean of both gradients: make one for each batch.",
        2.75: "You took the batches in the wrong order.",
        3.5: "You took the first batch twice.",
        4.5: "The second step's gradient has the first one in it: give `.grad` a new tensor in each step.",
        5.5: "These are the weights after the last step; return the weights before minus the weights after.",
        -2.5: "That is after minus before.",
        10: "That is the sum of the gradients, without a rate.",
    }
    return (
        "w = 8, batches with the losses w^2 / 2 and (w - 4)^2 / 2, SGD with rate 0.25.\n"
        "The first gradient, at 8, is 8, so w moves to 6; the second one, at 6, is 2, so w moves to 5.5.\n"
        f"Expected the change 8 - 5.5 = 2.5, got {found:g}.{said(reasons, found)}"
    )


def _unchanged(program: Program) -> str:
    weights = _eight()
    _change(program, weights, [0.0, 4.0], _slope)
    if weights["w"].item() == 8:
        return ""
    return (
        f"w is 8 before the call, and {weights['w'].item():g} after it. The next unit of the round would begin with "
        "the wrong weights:\nlet the optimizer move copies (`tensor.clone()`)."
    )


def _moments(program: Program) -> str:
    first, again = (_change(program, _eight(), [0.0, 4.0], _slope, _adam)["w"].item() for _ in range(2))
    expected = _ours(_adam)(_eight(), [0.0, 4.0])["w"].item()
    story = "w = 8, batches with the losses w^2 / 2 and (w - 4)^2 / 2, Adam with rate 0.25."
    if abs(first - expected) > 1e-4:
        reasons: dict[float, str] = {
            0.5: "That is what Adam does if it is new for each batch: its first step is the rate, whatever the "
            "gradient.\nMake one optimizer for the unit, before the loop."
        }
        return f"{story}\nExpected the change {expected:.6g}, got {first:.6g}.{said(reasons, first)}"
    if first != again:
        return (
            f"{story} The first call returns {first:.6g}, the second one, with the same arguments, {again:.6g}.\n"
            "Something was kept from the first call, perhaps the optimizer with its moments. A unit is a function of "
            "the version,\nthe images and the seed: another worker must be able to compute it again."
        )
    return ""


# ------------------------------------------------------------------------------------------------ outer_step


def _outer(
    program: Program, weights: Tensors, results: list[tuple[int, Tensors]], velocity: Tensors, rate: float, m: float
) -> tuple[Tensors, Tensors]:
    """Call the learner's `outer_step`."""
    found = program.call(OUTER, weights, results, velocity, rate, m)
    if not isinstance(found, tuple) or len(found) != 2:
        raise LearnersError(
            f"{OUTER}() should return two dictionaries, weights and velocity, but returned {found!r:.200}."
        )
    return require_gradients(found[0], weights, OUTER), require_gradients(found[1], weights, OUTER)


def _one(value: float) -> Tensors:
    return {"w": torch.tensor([value])}


def _mean(program: Program) -> str:
    results = [(1, _one(4.0)), (3, _one(8.0))]
    found = _outer(program, _one(10.0), results, _one(0.0), 1.0, 0.0)[0]["w"].item()
    if abs(found - 3) < 1e-5:
        return ""
    reasons: dict[float, str] = {
        4: "That is the plain mean of the two units. Weight each by its images.",
        5: "The weights are exchanged: the second unit has 3 images.",
        -18: "That is 10 minus the sum over images; divide it by the number of images.",
        -2: "That is 10 minus the sum of the changes. Weight each by its images, and divide by the images.",
        -4: "Each unit is weighted by its images, but the sum is divided by the number of units: divide by the images.",
        17: "The change is before minus after: subtract it.",
        7: "That is the mean change; subtract it from the weights.",
    }
    return (
        "w = 10. A unit of 1 image has the change 4 (its worker ended at 6), one of 3 images the change 8 (at 2).\n"
        "Rate 1, no momentum: the new w is the mean of the workers' weights, (1*6 + 3*2) / 4 = 3.\n"
        f"Expected 3, got {found:g}.{said(reasons, found)}"
    )


def _momentum(program: Program) -> str:
    weights, velocity = _one(10.0), _one(0.0)
    for change in (4.0, 3.0):
        weights, velocity = _outer(program, weights, [(2, _one(change))], velocity, 0.25, 0.5)
    found, kept = weights["w"].item(), velocity["w"].item()
    if abs(found - 7.125) < 1e-5 and abs(kept - 5) < 1e-5:
        return ""
    reasons: dict[float, str] = {
        8.25: "That is without momentum.",
        7.75: "That is the heavy ball, w - rate * velocity. Nesterov's step is mean + momentum * new velocity.",
        7.375: "The velocity of the first round is lost: the second round's is 0.5 * 4 + 3 = 5.",
        7.96875: "The rate is in the velocity, too: it belongs only to the step.",
        7.6875: "The mean has the factor 1 - momentum; the formula has none.",
        -1.5: "The rate is missing.",
    }
    return (
        "w = 10, rate 0.25, momentum 0.5; two rounds with one unit each, whose changes are 4 and 3.\n"
        "Round 1: velocity 4, step 4 + 0.5 * 4 = 6, w = 8.5.\n"
        "Round 2: velocity 0.5 * 4 + 3 = 5, step 3 + 0.5 * 5 = 5.5, w = 7.125.\n"
        f"Expected w = 7.125 and the velocity 5, got {found:g} and {kept:g}.{said(reasons, found)}"
    )


def _arguments(program: Program) -> str:
    weights, velocity, changes = _one(10.0), _one(2.0), [_one(4.0), _one(8.0)]
    _outer(program, weights, [(1, changes[0]), (3, changes[1])], velocity, 0.5, 0.5)
    given = {"the weights": (weights, 10.0), "the velocity": (velocity, 2.0)}
    given |= {f"the change of unit {number}": (one, 4.0 + 4 * number) for number, one in enumerate(changes)}
    for name, (tensors, before) in given.items():
        if (after := tensors["w"].item()) != before:
            return (
                f"The call changed {name}, from {before:g} to {after:g}. An operation in place (`+=`, `add_`, `mul_`) "
                "changes\nits tensor: make new ones. A round that is closed again after a crash needs the old ones."
            )
    return ""


# -------------------------------------------------------------------------------------------------- training


def _ours(make_optimizer: Any, gradient: Any = _slope) -> Unit:
    """Return local steps of our own."""

    def unit(weights: Tensors, batches: list[Any]) -> Tensors:
        moving = copied(weights)
        optimizer = make_optimizer(list(moving.values()))
        for batch in batches:
            for name, slope in gradient(moving, batch).items():
                moving[name].grad = slope
            optimizer.step()
        return {name: weights[name] - moving[name] for name in weights}

    return unit


def _mean_change(weights: Tensors, results: list[tuple[int, Tensors]]) -> Tensors:
    num = sum(images for images, _ in results)
    return {
        name: value - torch.stack([images / num * change[name] for images, change in results]).sum(0)
        for name, value in weights.items()
    }


def _line(weights: Tensors, batch: tuple[torch.Tensor, torch.Tensor]) -> Tensors:
    """Return the gradient of the mean squared error of inputs @ slope + offset."""
    inputs, targets = batch
    error = inputs @ weights["slope"] + weights["offset"] - targets
    return {"slope": 2 * inputs.T @ error / len(error), "offset": 2 * error.mean()[None]}


def _train(unit: Unit, outer: Outer, num_steps: int) -> float:
    """Return the loss after `NUM_ROUNDS` rounds, of units with `num_steps` steps of `NUM_SAMPLES` samples."""
    rng = generator("exercise", 7, "line")
    slope = torch.randn(3, generator=rng)
    inputs = torch.randn(NUM_ROUNDS, NUM_WORKERS, NUM_STEPS, NUM_SAMPLES, 3, generator=rng)
    targets = inputs @ slope + 1 + 0.1 * torch.randn(inputs.shape[:-1], generator=rng)
    weights = {"slope": torch.zeros(3), "offset": torch.zeros(1)}
    for number in range(NUM_ROUNDS):
        results = []
        for worker in range(NUM_WORKERS):
            batches = list(zip(inputs[number, worker], targets[number, worker], strict=True))[:num_steps]
            # The workers' shares differ, as in the last round of an epoch.
            batches = [(x[: len(x) - 2 * worker], y[: len(y) - 2 * worker]) for x, y in batches]
            results.append((sum(len(y) for _, y in batches), unit(weights, batches)))
        weights = outer(weights, results)
    error = inputs @ weights["slope"] + weights["offset"] - targets
    return error.square().mean().item()


def _slow_sgd(tensors: list[torch.Tensor]) -> torch.optim.Optimizer:
    return torch.optim.SGD(tensors, lr=0.05)


def _training(program: Program, report: Report) -> None:
    def unit(weights: Tensors, batches: list[Any]) -> Tensors:
        return _change(program, weights, batches, _line, _slow_sgd)

    def outer(weights: Tensors, results: list[tuple[int, Tensors]]) -> Tensors:
        nothing = {name: torch.zeros_like(value) for name, value in weights.items()}
        return _outer(program, weights, results, nothing, 1.0, 0.0)[0]

    ours = _ours(_slow_sgd, _line)
    found, expected = _train(unit, outer, NUM_STEPS), _train(ours, _mean_change, NUM_STEPS)
    if abs(found - expected) > 1e-3 * expected:
        report.wrong(
            TRAINING,
            f"{NUM_ROUNDS} rounds of {NUM_WORKERS} workers, {NUM_STEPS} steps of SGD each, for a line through points. "
            f"Expected the loss {show(torch.tensor(expected))}, got {show(torch.tensor(found))}.\n"
            "Tensors have different shapes here, and workers different numbers of images.",
        )
        return
    single = _train(ours, _mean_change, 1)
    report.right(
        TRAINING,
        f"The loss after {NUM_ROUNDS} rounds is {found:.3g} with {NUM_STEPS} local steps, and {single:.3g} with one "
        "step a round,\nwhich sends as many messages and bytes.",
    )


PARTS: dict[str, Callable[[Program], str]] = {
    "unit: one step": _one_step,
    "unit: two steps, one after the other": _two_steps,
    "unit: the weights stay as they were": _unchanged,
    "unit: Adam begins again in each unit, and only there": _moments,
    "outer_step: the mean of the workers' weights": _mean,
    "outer_step: Nesterov's momentum": _momentum,
    "outer_step: the arguments stay as they were": _arguments,
}
TRAINING = "both together: five rounds of two workers"
