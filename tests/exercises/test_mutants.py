"""Exercises 1 and 4: more wrong answers, each refused with the reason. None of them trains."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganns.exercises.checks import wild_gradient
from tests.exercises.pupil import Mutant, refused

ONE, IMAGES, BATCH, ORDER, KEPT = (
    "one unit",
    "an image counts",
    "it is the gradient",
    "the same bits",
    "the results stay",
)
TIMES, COUNT, DIVIDED = "gradient * images", "num_images += images", "tensor / num_images"
ADDED = "total[name] = total[name] + weighted if name in total else weighted"
ARRIVED = "sorted(results, key=lambda result: result[0])"
WEIGHTED_MEAN: dict[str, Mutant] = {
    "the mean of units": (
        {TIMES: "gradient * 1.0", COUNT: "num_images += 1"},
        IMAGES,
        "That is the mean of the two units",
    ),
    "the sum over images": ({DIVIDED: "tensor"}, IMAGES, "That is the sum over images; divide it"),
    "the sum of gradients": (
        {TIMES: "gradient * 1.0", DIVIDED: "tensor"},
        IMAGES,
        "it is the sum of the two gradients",
    ),
    "the last unit's images": ({COUNT: "num_images = images"}, IMAGES, "by the images of the last unit alone"),
    "no weights": ({TIMES: "gradient * 1.0"}, IMAGES, "the sum of both gradients is divided by the images"),
    "divided by units": ({COUNT: "num_images += 1"}, IMAGES, "the sum is divided by the number of units"),
    "the last unit alone": ({ADDED: "total[name] = weighted"}, BATCH, "as one machine computes on all ten"),
    "half precision": ({TIMES: "(gradient * images).half().float()"}, BATCH, "A mean loss over 10 samples"),
    "the order of arrival": ({ARRIVED: "results"}, ORDER, "add in the order of the units' numbers"),
    "the opposite order of arrival": ({ARRIVED: "results[::-1]"}, ORDER, "when they arrive as 7, 6, 5"),
    "one name": (
        {"in gradients.items():": "in list(gradients.items())[:1]:"},
        ONE,
        "The result of weighted_mean() has no 'bias'",
    ),
    "a list": (
        {"return {name: tensor / num_images for": "return [(name, tensor) for", "items()}": "items()]"},
        ONE,
        "a dictionary",
    ),
    "one number": ({DIVIDED: "tensor.mean() / num_images"}, ONE, "should have the shape [1, 2], but has []"),
    "one name too many": (
        {"total: Gradients = {}": "total: Gradients = {'x': 0.0}"},
        ONE,
        "has 'x', but no unit has that",
    ),
    "weights in place": ({TIMES: "gradient.mul_(images)"}, KEPT, "after the call they are 2 and 10"),
}

EQUAL, HONEST, WILD = "five equal gradients", "five honest gradients", "one wild gradient"
TRIM = "ordered[1:-1].mean(0)"
WILD_GRADIENT: dict[str, Mutant] = {
    "the mean": ({TRIM: "ordered.mean(0)"}, WILD, "too large: the wild one is in it"),
    "without the largest": ({TRIM: "ordered[:-1].mean(0)"}, WILD, "too large: the wild one is in it"),
    "without the smallest": ({TRIM: "ordered[1:].mean(0)"}, WILD, "too large: the wild one is in it"),
    "the largest": ({TRIM: "ordered[-1]"}, WILD, "too large: the wild one is in it"),
    "the first unit": ({TRIM: "values[0]"}, WILD, "Unit 0 of 0 to 4 sends noise"),
    "the last unit": ({TRIM: "values[-1]"}, WILD, "Unit 4 of 0 to 4 sends noise"),
    "the sum": ({TRIM: "ordered[1:-1].sum(0)"}, EQUAL, "Expected [1, -2, 3], got [3, -6, 9]"),
    "a tenth": ({TRIM: f"0.1 * {TRIM}"}, HONEST, "too small"),
    "signs": ({TRIM: "values.sign().mean(0)"}, EQUAL, "Expected [1, -2, 3], got [1, -1, 1]"),
    "no values": ({TRIM: "ordered[3:3].mean(0)"}, HONEST, "that is not finite"),
    "each number is limited": ({TRIM: "values.mean(0).clamp(-1, 1)"}, WILD, "but not its direction"),
    "in place": (
        {
            "    result: Gradients": "    gradients[0]['layer.bias' if len(gradients[0]) > 1 else 'w'].zero_()\n"
            "    result: Gradients"
        },
        "the gradients stay",
        "The call changed the gradient of unit 0",
    ),
    "no return": ({"    return result": "    result"}, EQUAL, "is a `return` missing?"),
    "one tensor": ({"    return result": "    return {'w': result.popitem()[1]}"}, HONEST, "has no 'layer.bias'"),
}


@pytest.mark.parametrize("name", WEIGHTED_MEAN)
def test_wrong_answers_to_the_weighted_mean(name: str, tmp_path: Path) -> None:
    refused(1, tmp_path, WEIGHTED_MEAN[name])


@pytest.mark.parametrize("name", WILD_GRADIENT)
def test_wrong_answers_to_the_wild_gradient(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wild_gradient, "_training", lambda program, report: None)
    refused(4, tmp_path, WILD_GRADIENT[name])
