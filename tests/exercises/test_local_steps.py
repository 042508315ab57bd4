"""Exercise 7: the solution passes, other right answers too, and each mutant is refused with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganns.exercises.checks.local_steps import TRAINING
from tests.exercises.pupil import Mutant, checked, refused, solved, starter, wrong

ONE, TWO, KEPT, ADAM = "unit: one step", "unit: two steps", "unit: the weights stay", "unit: Adam begins again"
MEAN, MOMENTUM, ARGUMENTS = "outer_step: the mean", "outer_step: Nesterov", "outer_step: the arguments"
LOOP, MADE = "    for batch in batches:\n", "optimizer = make_optimizer(list(moving.values()))"
MOVE = "rate * (mean + momentum * new_velocity[name])"
STEP, CHANGE = "optimizer.step()", "weights[name] - tensor for"
MUTANTS: dict[str, Mutant] = {
    "after minus before": ({CHANGE: "tensor - weights[name] for"}, ONE, "That is after minus before"),
    "the weights after": ({CHANGE: "tensor for"}, ONE, "These are the weights after the step"),
    "no copies": ({"tensor.clone()": "tensor"}, ONE, "Begin with copies: `tensor.clone()`"),
    "no step": ({STEP: "pass"}, ONE, "The optimizer needs each tensor's `.grad`, then `step()`"),
    "the gradient": ({CHANGE: "tensor.grad for"}, ONE, "That is the gradient."),
    "gradients at the first weights": (
        {"gradient(moving, batch)": "gradient(weights, batch)"},
        TWO,
        "both gradients at",
    ),
    "the first batch alone": ({LOOP: LOOP.replace("batches", "batches[:1]")}, TWO, "That is the first step alone"),
    "the last batch alone": ({LOOP: LOOP.replace("batches", "batches[-1:]")}, TWO, "a step with the last batch alone"),
    "the wrong order": ({LOOP: LOOP.replace("batches", "batches[::-1]")}, TWO, "in the wrong order"),
    "always the first batch": (
        {"gradient(moving, batch)": "gradient(moving, batches[0])"},
        TWO,
        "the first batch twice",
    ),
    "gradients add up": (
        {".grad = slope": ".grad = slope if moving[name].grad is None else moving[name].grad + slope"},
        TWO,
        "give `.grad` a new tensor in each step",
    ),
    "the round's weights move": (
        {f"    return {{name: {CHANGE}": f"    [weights[n].sub_(1) for n in weights]\n    return {{name: 1 + {CHANGE}"},
        KEPT,
        "w is 8 before the call, and 7 after it",
    ),
    "an optimizer for each batch": ({STEP: f"{MADE}\n        {STEP}"}, ADAM, "Make one optimizer for the unit"),
    "moments are kept": (
        {
            "Weights = dict": "KEPT = []\nWeights = dict",
            MADE: f"{MADE}\n    if KEPT and 'exp_avg' in str(KEPT[-1]):\n        optimizer.load_state_dict(KEPT[-1])",
            STEP: f"{STEP}\n        KEPT.append(optimizer.state_dict())",
        },
        ADAM,
        "A unit is a function of the version",
    ),
    "SGD of its own": (
        {STEP: "[tensor.sub_(0.25 * tensor.grad) for tensor in moving.values()]"},
        ADAM,
        "Expected the change 0.45",
    ),
    "the plain mean": (
        {"images * change[name]": "change[name]", "/ num_images": "/ len(results)"},
        MEAN,
        "That is the plain mean",
    ),
    "the sum": ({" / num_images": ""}, MEAN, "minus the sum over images; divide it"),
    "divided by units": ({"/ num_images": "/ len(results)"}, MEAN, "divide by the images"),
    "added": ({"tensor - rate": "tensor + rate"}, MEAN, "The change is before minus after: subtract it"),
    "one dictionary": (
        {"return new_weights, new_velocity": "return new_weights"},
        MEAN,
        "should return two dictionaries",
    ),
    "the heavy ball": (
        {"(mean + momentum * new_velocity[name])": "new_velocity[name]"},
        MOMENTUM,
        "Nesterov's step is mean + momentum",
    ),
    "no momentum": ({"(mean + momentum * new_velocity[name])": "mean"}, MOMENTUM, "That is without momentum"),
    "a lost velocity": ({"momentum * velocity[name] + mean": "mean"}, MOMENTUM, "velocity of the first round is lost"),
    "the rate in the velocity": ({"[name] + mean": "[name] + rate * mean"}, MOMENTUM, "belongs only to the step"),
    "dampened": ({"[name] + mean": "[name] + (1 - momentum) * mean"}, MOMENTUM, "the formula has none"),
    "no rate": ({"tensor - rate *": "tensor -"}, MOMENTUM, "The rate is missing"),
    "the velocity in place": (
        {"momentum * velocity[name] + mean": "velocity[name].mul_(momentum).add_(mean)"},
        ARGUMENTS,
        "The call changed the velocity, from 2 to 8",
    ),
    "the weights in place": (
        {f"tensor - {MOVE}": f"tensor.sub_({MOVE})"},
        ARGUMENTS,
        "The call changed the weights, from 10 to 4.5",
    ),
    "one number for all": (
        {"weights[name] - tensor for": "(weights[name] - tensor).mean().expand_as(tensor).clone() for"},
        TRAINING,
        "Tensors have different shapes here",
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_answer_is_refused_with_the_reason(name: str, tmp_path: Path) -> None:
    refused(7, tmp_path, MUTANTS[name])


def test_another_right_answer_passes(tmp_path: Path) -> None:
    """Leaves that need gradients, and PyTorch's own Nesterov momentum."""
    file = tmp_path / "local_steps.py"
    file.write_text(
        "import torch\n\n"
        "def unit(weights, batches, gradient, make_optimizer):\n"
        "    moving = {n: w.detach().clone().requires_grad_() for n, w in weights.items()}\n"
        "    optimizer = make_optimizer(list(moving.values()))\n"
        "    for batch in batches:\n"
        "        optimizer.zero_grad()\n"
        "        for n, g in gradient({n: w.detach() for n, w in moving.items()}, batch).items():\n"
        "            moving[n].grad = g\n"
        "        optimizer.step()\n"
        "    return {n: weights[n] - w.detach() for n, w in moving.items()}\n\n"
        "def outer_step(weights, results, velocity, rate, momentum):\n"
        "    new = {n: w.clone() for n, w in weights.items()}\n"
        "    optimizer = torch.optim.SGD(list(new.values()), lr=rate, momentum=momentum, nesterov=momentum > 0)\n"
        "    total = sum(images for images, _ in results)\n"
        "    for n, w in new.items():\n"
        "        w.grad = sum(images / total * change[n] for images, change in results)\n"
        "        optimizer.state[w]['momentum_buffer'] = velocity[n].clone()\n"
        "    optimizer.step()\n"
        "    kept = {n: optimizer.state[w]['momentum_buffer'] for n, w in new.items()}\n"
        "    return new, kept\n"
    )
    report = checked(7, file)
    assert wrong(report) == {}
    assert report.passed


def test_the_last_part_says_what_local_steps_are_worth(tmp_path: Path) -> None:
    last = checked(7, solved(7, tmp_path)).results[-1]
    assert last.title == TRAINING
    assert "with 4 local steps" in last.detail


def test_the_starter_is_still_to_be_written(tmp_path: Path) -> None:
    details = wrong(checked(7, starter(7, tmp_path))).values()
    assert [detail for detail in details if "is still to be written (line " in detail]
    assert all("still to be written" in detail or detail == "The same as above." for detail in details)
