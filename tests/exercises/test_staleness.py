"""Exercise 9: the solution passes, and each mutant is refused with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganns.exercises.checks import staleness
from ganns.exercises.checks.staleness import LIMITS, SLOW
from tests.exercises.pupil import Mutant, checked, refused, solved, starter, wrong

PLAIN, ONE, TWO, START = "train: age 0", "train: age 1", "train: age 2", "train: the first version"
NEW, OLD, ALONE = "combine: new results", "combine: an old result counts", "combine: an old result alone"
TOO_OLD, GONE, NOTHING, KEPT = (
    "combine: a result that is too old",
    "combine: a result of a version that is gone",
    "combine: nothing is left",
    "combine: the results stay",
)
STEP, AGED = "versions[-1] - rate * gradient(old)", "max(0, number - age)"
WEIGHT, DIVIDED, OLD_ENOUGH = "(images / (1 + age))", "tensor / num_images", "if not 0 <= age <= max_age:"
COUNT = "        num_images += images\n"
MUTANTS: dict[str, Mutant] = {
    "added": ({STEP: STEP.replace("- rate", "+ rate")}, PLAIN, "You added the gradient: subtract it"),
    "no rate": ({STEP: STEP.replace("rate * ", "")}, PLAIN, "The rate is missing"),
    "without the start": ({"return versions": "return versions[1:]"}, PLAIN, "a list of 4 versions for 3 rounds"),
    "the last one alone": ({"return versions": "return versions[-1]"}, PLAIN, "but returned a Tensor"),
    "always the newest": ({AGED: "number"}, ONE, "These gradients are not old"),
    "one version too old": ({AGED: "max(0, number - age - 1)"}, PLAIN, "one version too old"),
    "waits": ({STEP: f"{STEP} * (number >= age)"}, ONE, "You made no step while nothing was old enough"),
    "always the first": ({AGED: "0"}, ONE, "All these gradients are those of version 0"),
    "a negative index": ({AGED: "max(-1, number - age)"}, TWO, "A negative index counts from the end of a list"),
    "beyond the list": ({AGED: "number - age"}, TWO, "IndexError: list index out of range"),
    "in place": (
        {STEP: "versions[-1].sub_(rate * gradient(old))"},
        PLAIN,
        "All versions are equal: an operation in place",
    ),
    "the start changes": (
        {"    versions = [start]": "    versions = [start.clone()]\n    start.zero_()"},
        START,
        "`start` is 8",
    ),
    "the plain mean": ({WEIGHT: "1", DIVIDED: "tensor / len(results)"}, NEW, "That is the mean of the two units"),
    "the sum": ({DIVIDED: "tensor"}, NEW, "Divide by the number of images."),
    "divided by units": ({DIVIDED: "tensor / len(results)"}, NEW, "not by that of units"),
    "the age does not count": ({WEIGHT: "images"}, OLD, "The age does not count"),
    "divided by the weights": (
        {COUNT: COUNT.replace("images\n", "images / (1 + age)\n")},
        OLD,
        "by the sum of the weights",
    ),
    "the square": ({WEIGHT: "(images / (1 + age) ** 2)"}, OLD, "not its square"),
    "one divided by the age": ({WEIGHT: "(images / age)"}, NEW, "ZeroDivisionError"),
    "older ones count more": ({WEIGHT: "(images * (age + 1) / 2)"}, OLD, "The older one has the larger weight"),
    "only new ones": ({OLD_ENOUGH: "if age != 0:"}, OLD, "though its age is within max_age"),
    "a full step of old ones": (
        {COUNT: COUNT.replace("images\n", "images / (1 + age)\n")},
        ALONE,
        "a step with old results alone would be a whole one",
    ),
    "one too few": ({OLD_ENOUGH: "if not 0 <= age < max_age:"}, TOO_OLD, "is not older than max_age: it counts"),
    "one too many": ({OLD_ENOUGH: "if not 0 <= age <= max_age + 1:"}, TOO_OLD, "is older than max_age: discard it"),
    "images of discarded ones": (
        {COUNT: "", f"        {OLD_ENOUGH}": f"{COUNT}        {OLD_ENOUGH}"},
        TOO_OLD,
        "leave them out, too",
    ),
    "a negative age": ({OLD_ENOUGH: "if age > max_age:"}, GONE, "gives the weight 1 / (1 - 2) = -1"),
    "a negative age is 0": (
        {OLD_ENOUGH: "if age > max_age:", WEIGHT: "(images / (1 + max(age, 0)))"},
        GONE,
        "It counts in full, as if its age were 0",
    ),
    "an absolute age": ({"version - computed_at": "abs(version - computed_at)"}, GONE, "the age's absolute value"),
    "an empty step": ({" if num_images else None": ""}, NOTHING, "Expected None, got {}"),
    "results in place": (
        {f"gradient * {WEIGHT}": f"gradient.mul_{WEIGHT}"},
        KEPT,
        "The gradient 1 is 2 after the call",
    ),
}
RATE = "return low"
LIMIT_MUTANTS: dict[str, Mutant] = {
    "always 2": ({RATE: "return 2.0"}, LIMITS, "Expected about 1 for age 1"),
    "no overshoot": ({RATE: "return low / 2"}, LIMITS, "Expected about 2 for age 0"),
    "too few rounds": ({"150, age": "5, age"}, LIMITS, "Look at several of the last versions"),
    "divided by age": ({RATE: "return 2 / (1 + age)"}, LIMITS, "Expected about 0.445 for age 3"),
    "too small a range": ({"low, high = 0.0, 4.0": "low, high = 0.0, 1.0"}, LIMITS, "Expected about 2 for age 0"),
    "text": ({RATE: "return str(low)"}, LIMITS, "largest_rate(0) should return a number"),
    "age 0 only": ({"150, age": "150, 0"}, LIMITS, "Expected about 1 for age 1"),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_answer_is_refused_with_the_reason(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staleness, "_limits", lambda program, report: None)  # it takes more time than all others
    refused(9, tmp_path, MUTANTS[name])


@pytest.mark.parametrize("name", LIMIT_MUTANTS)
def test_a_wrong_limit_is_refused_with_numbers(name: str, tmp_path: Path) -> None:
    refused(9, tmp_path, LIMIT_MUTANTS[name])


def test_the_solution_passes_and_shows_what_age_costs(tmp_path: Path) -> None:
    report = checked(9, solved(9, tmp_path))
    assert wrong(report) == {}
    limits, slow = report.results[-2:]
    assert (limits.title, slow.title) == (LIMITS, SLOW)
    assert "An old gradient needs a smaller rate" in limits.detail
    assert "if all results count in full" in slow.detail


def test_the_starter_is_still_to_be_written(tmp_path: Path) -> None:
    details = [detail for detail in wrong(checked(9, starter(9, tmp_path))).values() if detail != "The same as above."]
    assert len(details) == 3
    assert all("() is still to be written (line " in detail for detail in details)
