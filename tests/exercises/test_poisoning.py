"""Exercise 10: the solution passes, other robust rules too, and each mutant is refused with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganns.exercises.checks.poisoning import TRAINING
from tests.exercises.pupil import Mutant, checked, refused, solved, starter, wrong

BACKWARDS, KEPT = "attack: the mean points backwards", "attack: the honest gradients stay"
EQUAL, NOBODY = "aggregate: equal gradients", "aggregate: nobody is hostile"
OPPOSITE, LONG = "aggregate: three send the opposite", "aggregate: three send a long step backwards"
SPIKE, HIDES, FEW = "aggregate: three lie about one number", "aggregate: one long lie", "aggregate: one of five"

LIES = "[{name: scale * tensor for name, tensor in mean.items()} for _ in range(num_hostile)]"
TRIM = "ordered[num_hostile : len(gradients) - num_hostile].mean(0)"
TYPE = "Gradients = dict[str, torch.Tensor]\n"
FLAT = f"{TYPE}\n\ndef flat(one):\n    return torch.cat([tensor.flatten() for tensor in one.values()])\n"
FIRST = "    result: Gradients = {}\n"
PULLED, TURNED = "too short: the hostile ones pull it back", "the result has another direction"


def chosen(*lines: str) -> dict[str, str]:
    """A rule that first chooses some of the gradients, and then takes their mean."""
    return {TYPE: FLAT, FIRST: "".join(f"    {line}\n" for line in (*lines, "num_hostile = 0")) + FIRST}


MUTANTS: dict[str, Mutant] = {
    "attack with nothing": ({"-0.999 * limit": "0 * limit"}, BACKWARDS, "expected a cosine below 0, got 1.00"),
    "attack forwards": ({"-0.999 * limit": "limit * 0.999"}, BACKWARDS, "expected a cosine below 0, got 1.00"),
    "a short attack": ({"-0.999 * limit / length": "-1"}, BACKWARDS, "be as long as the limit allows"),
    "too long an attack": ({"-0.999": "-2"}, BACKWARDS, "it is refused, and has no effect"),
    "the norm of each tensor": (
        {"scale * tensor for": "-0.999 * limit * tensor / tensor.norm() for"},
        BACKWARDS,
        "The norm is the root of the sum of all squares, over all tensors",
    ),
    "an attack with noise": (
        {LIES: "[{n: torch.randn_like(t) * limit / 20 for n, t in mean.items()} for _ in range(num_hostile)]"},
        BACKWARDS,
        "Reverse the direction in which the honest ones agree, their mean",
    ),
    "one lie": ({"range(num_hostile)": "range(1)"}, BACKWARDS, "a list of 3 gradients, but returned 1 of them"),
    "no list": ({f"return {LIES}": f"return {LIES}[0]"}, BACKWARDS, "a list of 3 gradients, but returned a dict"),
    "a lie without a tensor": ({LIES: "[{}] * num_hostile"}, BACKWARDS, "The result of attack() has no"),
    "an honest one, reversed": (
        {LIES: "[{n: -t for n, t in honest[i].items()} for i in range(num_hostile)]"},
        BACKWARDS,
        "Reverse the direction in which the honest ones agree",
    ),
    "honest gradients in place": (
        {LIES: "[{n: t.copy_(scale * mean[n]) for n, t in one.items()} for one in honest[:num_hostile]]"},
        KEPT,
        "The call changed gradient 0 of 0 to 7",
    ),
    "the mean": ({TRIM: "ordered.mean(0)"}, OPPOSITE, PULLED),
    "one is left out": ({TRIM: "ordered[1:-1].mean(0)"}, OPPOSITE, PULLED),
    "only large numbers are left out": (
        {TRIM: "ordered[: len(gradients) - num_hostile].mean(0)"},
        LONG,
        TURNED,
    ),
    "only small numbers are left out": ({TRIM: "ordered[num_hostile:].mean(0)"}, LONG, TURNED),
    "everything is left out": ({TRIM: TRIM.replace("num_hostile", "2 * num_hostile")}, OPPOSITE, "not finite"),
    "always three are left out": ({TRIM: "ordered[3 : len(gradients) - 3].mean(0)"}, FEW, "the mean of no values?"),
    "not sorted": ({"values.sort(dim=0).values": "values"}, SPIKE, TURNED),
    "the first one": ({TRIM: "values[0]"}, OPPOSITE, TURNED),
    "the last ones are hostile": (chosen("gradients = gradients[:-num_hostile]"), OPPOSITE, PULLED),
    "clipped to the usual norm": (
        chosen(
            "norms = [float(flat(one).norm()) for one in gradients]",
            "usual = sorted(norms)[len(norms) // 2]",
            "scales = [min(1.0, usual / norm) for norm in norms]",
            "gradients = [{n: s * t for n, t in one.items()} for s, one in zip(scales, gradients)]",
        ),
        OPPOSITE,
        PULLED,
    ),
    "the longest are left out": (
        chosen("gradients = sorted(gradients, key=lambda one: flat(one).norm())[:-num_hostile]"),
        OPPOSITE,
        PULLED,
    ),
    "the closest pair": (
        chosen(
            "near = lambda one: min((flat(one) - flat(other)).norm() for other in gradients if other is not one)",
            "gradients = [min(gradients, key=near)]",
        ),
        OPPOSITE,
        TURNED,
    ),
    "the one with the usual norm": (
        chosen("gradients = [sorted(gradients, key=lambda one: flat(one).norm())[len(gradients) // 2]]"),
        OPPOSITE,
        TURNED,
    ),
    "the farthest from the mean are left out": (
        chosen(
            "mean = sum(flat(one) for one in gradients) / len(gradients)",
            "gradients = sorted(gradients, key=lambda one: (flat(one) - mean).norm())[:-num_hostile]",
        ),
        HIDES,
        PULLED,
    ),
    "signs": ({TRIM: "values.sign().sum(0).sign()"}, NOBODY, TURNED),
    "nothing": ({TRIM: "values[0] - values[0]"}, EQUAL, "Expected the same, got [0, 0, 0]"),
    "twice as long": ({TRIM: f"2 * {TRIM}"}, NOBODY, "too long"),
    "in place": (
        {FIRST: f"    [tensor.mul_(2) for tensor in gradients[-1].values()]\n{FIRST}"},
        "aggregate: the gradients stay",
        "The call changed gradient 10 of 0 to 10",
    ),
    "float64": ({TRIM: f"{TRIM}.double()"}, EQUAL, "should be torch.float32"),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_answer_is_refused_with_the_reason(name: str, tmp_path: Path) -> None:
    refused(10, tmp_path, MUTANTS[name])


KRUM = chosen(
    "keep = len(gradients) - num_hostile - 2",
    "near = lambda one: sorted(float((flat(one) - flat(other)).square().sum()) for other in gradients)[1 : keep + 1]",
    "gradients = sorted(gradients, key=lambda one: sum(near(one)))[:keep]",
)
GEOMETRIC = {
    TYPE: FLAT,
    FIRST: """    points = torch.stack([flat(one) for one in gradients])
    centre = points.median(0).values
    for _ in range(20):
        weights = 1 / (points - centre).norm(dim=1).clamp_min(1e-6)
        centre = weights @ points / weights.sum()
    sizes = [tensor.numel() for tensor in gradients[0].values()]
    return {n: p.view_as(t) for (n, t), p in zip(gradients[0].items(), centre.split(sizes))}
""",
}


@pytest.mark.parametrize(
    "changes", [{}, {TRIM: "values.median(0).values"}, KRUM, GEOMETRIC], ids=["trimmed", "median", "Krum", "geometric"]
)
def test_robust_rules_pass(changes: dict[str, str], tmp_path: Path) -> None:
    report = checked(10, solved(10, tmp_path, *changes.items()))
    assert wrong(report) == {}
    training, own, little = report.results[-3:]
    assert training.title == TRAINING
    assert own.title == "your own attack"
    assert little.right is None


def test_the_starter_has_no_attack_and_is_poisoned(tmp_path: Path) -> None:
    found = wrong(checked(10, starter(10, tmp_path)))
    assert "attack() is still to be written" in found[BACKWARDS]
    assert PULLED in next(detail for title, detail in found.items() if title.startswith(OPPOSITE))
    assert "with the plain mean. Expected at most 2." in found[TRAINING]
