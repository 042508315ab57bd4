"""Exercise 8: the solution passes, and each mutant is refused with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganns.exercises.checks import collapse
from ganns.exercises.checks.collapse import TRAINING
from tests.exercises.pupil import Mutant, checked, refused, solved, starter, wrong

PLAIN, DISTANCE, STRAY = "measure: two of three", "measure: the distance", "measure: one stray point"
ALL, BROKEN, COUNTS = "measure: a share of all", "measure: points that are not finite", "first_collapse"
LINEAR, EACH, LEARN, KEPT = "r1: a slope", "r1: the mean over points", "r1: D can learn", "r1: the points stay"
NORM, REACHED, GOOD = ".norm(dim=2)", "(shares >= least).sum()", "near.any(1).float().mean()"
SLOPE, HALF = "discriminator(points).sum(), points, create_graph=True", "0.5 * slope.square().sum(dim=1).mean()"
CONDITION, COPY = "largest >= num_modes / 2 and count <= largest / 2", "real.detach().clone().requires_grad_()"
MUTANTS: dict[str, Mutant] = {
    "the sum of both differences": ({NORM: ".abs().sum(dim=2)"}, DISTANCE, "not 1.2, the sum"),
    "the larger difference": ({NORM: ".abs().amax(dim=2)"}, DISTANCE, "not 0.9, the larger one"),
    "the square": ({NORM: ".square().sum(dim=2)"}, DISTANCE, "Do not compare the square"),
    "any point": ({REACHED: "(shares > 0).sum()"}, STRAY, "Two of 20 are the share 0.1, which is enough; one is not"),
    "more than the least": ({REACHED: "(shares > least).sum()"}, STRAY, "Expected 2 modes, and the share 1; got 1"),
    "all modes": ({REACHED: "(shares >= 0).sum()"}, PLAIN, "Expected 2 modes, and the share 0.9; got 3, and 0.9"),
    "a share of the good points": (
        {REACHED: "(near.float().sum(0) / near.any(1).sum() >= least).sum()"},
        ALL,
        "`least` is a share of all points",
    ),
    "the share of modes": ({GOOD: "near.any(0).float().mean()"}, PLAIN, "Nine of ten points are good"),
    "points, not a share": ({GOOD: "near.any(1).float().sum()"}, PLAIN, "the share 0.9; got 2, and 9"),
    "not far is near": (
        {"near = distances <= radius": "near = ~(distances > radius)"},
        BROKEN,
        "A broken generator's points are near nothing",
    ),
    "a tensor": ({"int((shares >= least).sum())": "(shares >= least).sum()"}, PLAIN, "make numbers of tensors"),
    "one number": ({f", float({GOOD})": ""}, PLAIN, "should return two numbers"),
    "less than half": ({"count <= largest / 2": "count < largest / 2"}, COUNTS, "at most half"),
    "a smaller count": ({"count <= largest / 2": "count < largest"}, COUNTS, "Expected 6, got 5"),
    "the beginning": ({"largest >= num_modes / 2 and ": "largest > 0 and "}, COUNTS, "are a beginning, no collapse"),
    "all modes first": ({"largest >= num_modes / 2": "largest >= num_modes"}, COUNTS, "3 is at most half of 7"),
    "the last version": ({"            return version\n": "            return len(counts) - 1\n"}, COUNTS, "got 7"),
    "the largest of all": ({"largest = 0": "largest = max(counts, default=0)"}, COUNTS, "Expected 6, got 0"),
    "half of the modes": ({CONDITION: "largest >= num_modes / 2 and count <= num_modes / 2"}, COUNTS, "got 3"),
    "whole halves": ({"count <= largest / 2": "count <= (largest + 1) // 2"}, COUNTS, "4 is more than half of 7"),
    "no collapse": ({CONDITION: "False"}, COUNTS, "Expected 6, got None"),
    "without the half": ({HALF: HALF.replace("0.5 * ", "")}, LINEAR, "The factor 1/2 is missing"),
    "the norm": ({HALF: "slope.norm(dim=1).mean()"}, LINEAR, "That is the norm."),
    "half the norm": ({HALF: "0.5 * slope.norm(dim=1).mean()"}, LINEAR, "That is half the norm; square it"),
    "the mean of coordinates": ({HALF: "0.5 * slope.square().mean()"}, LINEAR, "the mean over both coordinates"),
    "the sum over points": ({HALF: "0.5 * slope.square().sum()"}, LINEAR, "You took the sum over points; take their"),
    "the gradient of the mean": ({SLOPE: SLOPE.replace("sum()", "mean()")}, LINEAR, "divided by the 4 points"),
    "the mean first": ({HALF: "0.5 * slope.mean(0).square().sum()"}, EACH, "opposite ones cancelled"),
    "the sum first": ({HALF: "0.5 * slope.sum(0).square().sum() / 16"}, EACH, "Expected (5 + 5 + 1) / 3 / 2 = 1.833"),
    "the first point": ({HALF: "0.5 * slope[0].square().sum()"}, EACH, "got 2.5"),
    "a value of each point": ({HALF: "0.5 * slope.square().sum(dim=1)"}, LINEAR, "a tensor with one number"),
    "a constant": ({", create_graph=True": ""}, LEARN, "torch.autograd.grad needs `create_graph=True`"),
    "detached": ({HALF: f"({HALF}).detach()"}, LEARN, "a constant for autograd"),
    "backward": (
        {f"(slope,) = torch.autograd.grad({SLOPE})": "discriminator(points).sum().backward()\n    slope = points.grad"},
        LEARN,
        "wrote 1 into w's `.grad`: `backward()` does that",
    ),
    "half a graph": ({HALF: "0.5 * (slope.detach() * slope).sum(dim=1).mean()"}, LEARN, "derivative 3, got 1.5"),
    "the points themselves": ({COPY: "real.requires_grad_()"}, KEPT, "Work on a copy"),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_answer_is_refused_with_the_reason(name: str, tmp_path: Path) -> None:
    """None of them trains: the training comes only when all else is right."""
    refused(8, tmp_path, MUTANTS[name])


def test_the_parts_before_the_training_are_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = []
    monkeypatch.setattr(collapse, "_training", lambda program, report: trained.append(program))
    assert wrong(checked(8, solved(8, tmp_path))) == {}
    assert len(trained) == 1


def test_the_starter_is_still_to_be_written(tmp_path: Path) -> None:
    found = wrong(checked(8, starter(8, tmp_path)))
    details = [detail for title, detail in found.items() if title != TRAINING and detail != "The same as above."]
    assert len(details) == 3
    assert all("() is still to be written (line " in detail for detail in details)
    assert "when the parts above are right" in found[TRAINING]


@pytest.mark.slow
def test_the_penalty_keeps_the_modes(tmp_path: Path) -> None:
    last = checked(8, solved(8, tmp_path)).results[-1]
    assert (last.right, last.title) == (True, TRAINING)
    _, without, with_it = last.detail.splitlines()
    assert max(int(count) for count in without.removesuffix(" without the penalty,").split()) <= 3
    assert with_it.endswith(" 8 8 with yours.")


@pytest.mark.slow
def test_a_penalty_that_does_nothing_collapses_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collapse, "WEIGHT", 0.0)
    found = wrong(checked(8, solved(8, tmp_path)))
    assert "expected at least 7, and 40%" in found[TRAINING]
