"""Exercises 1, 2, 4 and 5, and all together: the starter fails, the solution passes, mistakes are told apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganns.exercises.catalogue import EXERCISES, find
from ganns.exercises.checks import wild_gradient
from ganns.exercises.learner import LearnersError, Program
from tests.exercises.pupil import checked, solved, starter, wrong

ROOT = Path(__file__).resolve().parents[2]
TRAINS = (4, 8)  # their checks train: the slow tests of these exercises run them
IN_PYTHON = [exercise.number for exercise in EXERCISES if exercise.file.endswith(".py")]


def test_each_exercise_has_its_page_and_its_files() -> None:
    for exercise in EXERCISES:
        page = (ROOT / "docs/exercises" / f"{exercise.page}.md").read_text("utf-8")
        assert page.startswith(f"# {exercise.number}. {exercise.title}\n")
        assert f"ganns exercise check {exercise.number}" in page
        for path in exercise.starters + exercise.solution:
            assert path.is_file()
            assert f"({path.parent.name}/{path.name})" in page, path.name
    numbers = [exercise.number for exercise in EXERCISES]
    assert numbers == list(range(1, len(EXERCISES) + 1))


@pytest.mark.parametrize("number", [number for number in IN_PYTHON if number not in TRAINS])
def test_the_solution_passes(number: int, tmp_path: Path) -> None:
    report = checked(number, solved(number, tmp_path))
    assert wrong(report) == {}
    assert report.passed


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (1, "weighted_mean() is still to be written (line "),
        (2, "Expected the variance of 0, 2, 10, 12: (36+16+16+36)/3 = 34.6667, got 2."),
        (5, "speedup() is still to be written (line "),
    ],
)
def test_the_starter_fails_with_words(number: int, said: str, tmp_path: Path) -> None:
    report = checked(number, starter(number, tmp_path))
    assert not report.passed
    assert any(said in detail for detail in wrong(report).values())


@pytest.mark.parametrize(
    ("number", "change", "title", "said"),
    [
        (1, ("gradient * images", "gradient * 1"), "an image counts", "Expected (1*0 + 3*4) / 4 = 3, got 1"),
        (1, ("num_images += images", "num_images += 1"), "an image counts", "divide by the images"),
        (1, ("sorted(results, key=lambda result: result[0])", "results"), "the same bits", "add in the order"),
        (
            1,
            (
                "total[name] = total[name] + weighted if name in total else weighted",
                "total[name] = gradient.mul_(images)",
            ),
            "the results stay",
            "in place",
        ),
        (1, ("return {name: tensor / num_images", "{name: tensor / num_images"), "one unit", "`return` missing"),
        (1, ("tensor / num_images", "(tensor / num_images).double()"), "one unit", "should be torch.float32"),
        (5, ("seconds_alone / seconds_together", "seconds_together / seconds_alone"), "speedup()", "upside down"),
        (5, ("/ num_workers\n\n", "/ (num_workers - 1 or 1)\n\n"), "efficiency()", "expected 1, got 2"),
        (5, (") / (1 - 1 / num_workers)", ")"), "amdahl_fraction()", "expected 1, got 0.666667"),
        (5, ("return (1 /", "return 1 - (1 /"), "amdahl_fraction()", "divided among workers"),
        (5, ("return (1 /", "return float('nan') * (1 /"), "amdahl_fraction()", "got nan"),
    ],
)
def test_a_mistake_is_named(number: int, change: tuple[str, str], title: str, said: str, tmp_path: Path) -> None:
    found = wrong(checked(number, solved(number, tmp_path, change)))
    details = [detail for name, detail in found.items() if name.startswith(title)]
    assert details, found
    assert said in details[0]


OF_WORKERS, FAR = "workers with different values", "values far from 0"
POOLED = "(count - 1) * v + count * m.square()"
ONE_PASS = {".double()": ".float()", "dtype=torch.float64": "dtype=torch.float32"}
MUTANTS: dict[str, tuple[dict[str, str], str, str]] = {
    "divides by n": ({"(total - 1)": "total"}, OF_WORKERS, "divides by 4 - 1"),
    "divides by n - workers": ({"(total - 1)": "(total - len(counts))"}, OF_WORKERS, "of all values it is one mean"),
    "biased sums": ({POOLED: "count * v + count * m.square()"}, OF_WORKERS, "Expected the variance"),
    "only between": ({POOLED: "count * m.square()"}, OF_WORKERS, "only the spread between the means"),
    "only within": ({POOLED: "(count - 1) * v"}, OF_WORKERS, "got 0."),
    "no square": ({"m.square()": "m"}, OF_WORKERS, "Expected the variance"),
    "the standard deviation": ({"variance.clamp_min(0)": "variance.sqrt()"}, OF_WORKERS, "got 5.88784"),
    "an unweighted mean": ({"first += count * m": "first += m * total / len(counts)"}, "the mean", "Expected (0+2+3"),
    "the mean of means": ({"mean = first / total": "mean = first / total * 0 + means[0]"}, "the mean", "got 1"),
    "swapped": ({"mean.float(), variance": "variance.float(), mean + 0 * variance"}, "the mean", "= 4, got"),
    "a list": ({"return mean.float(), variance.clamp_min(0).float()": "return [mean, variance]"}, "the mean", "two"),
    "sums in float32": ({"dtype=torch.float64": "dtype=torch.float32"}, FAR, "compute in float64"),
    "one pass in float32": (ONE_PASS, FAR, "Expected the variance 0.000536146, got 0.1"),
    "E[x^2] - E[x]^2 in float32": (
        ONE_PASS | {"(second - first * mean) / (total - 1)": "(second / total - mean * mean) * total / (total - 1)"},
        FAR,
        "compute in float64",
    ),
    "float16": ({".double()": ".half()"}, FAR, "compute in float64"),
    "as if all had the same number": (
        {
            POOLED: "(total / len(counts) - 1) * v + total / len(counts) * m.square()",
            "first += count * m": "first += total / len(counts) * m",
        },
        "workers with different numbers of values",
        "A worker with more values has more weight",
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_wrong_answers_to_the_batchnorm_bug_are_refused_with_the_reason(name: str, tmp_path: Path) -> None:
    changes, title, said = MUTANTS[name]
    found = wrong(checked(2, solved(2, tmp_path, *changes.items())))
    details = [detail for part, detail in found.items() if part.startswith(title)]
    assert details, found
    assert said in details[0]


def test_other_right_answers_to_the_batchnorm_bug_pass(tmp_path: Path) -> None:
    """Two passes over the means square no large number, and are right in float32, too."""
    file = tmp_path / "batchnorm_bug.py"
    file.write_text(
        "import torch\n\n"
        "def pooled(counts, means, variances):\n"
        "    n = torch.tensor(counts, dtype=torch.float32)[:, None]\n"
        "    m, v = torch.stack(means), torch.stack(variances)\n"
        "    shift = m[0]\n"
        "    mean = (n * (m - shift)).sum(0) / n.sum()\n"
        "    inside, between = ((n - 1) * v).sum(0), (n * (m - shift - mean).square()).sum(0)\n"
        "    return shift + mean, (inside + between) / (n.sum() - 1)\n"
    )
    assert checked(2, file).passed


# ---------------------------------------------------------------------------------------- one wild gradient


@pytest.fixture(scope="module")
def wild(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """What is wrong with each answer to exercise 4. A training takes seconds: not all answers have one."""
    clipped = """
import torch

def norm(gradient):
    return torch.stack([tensor.norm() for tensor in gradient.values()]).norm()

def aggregate(gradients):
    limit = torch.stack([norm(one) for one in gradients]).median()
    scales = [(limit / norm(one)).clamp(max=1) for one in gradients]
    return {name: sum(s * one[name] for s, one in zip(scales, gradients)) / 5 for name in gradients[0]}
"""
    the_sum = """
    mean = {name: torch.stack([one[name] for one in gradients]).mean(0) for name in gradients[0]}
    size = torch.stack([tensor.norm() for tensor in mean.values()]).norm()
    return {name: tensor * (15 / size).clamp(max=1) for name, tensor in mean.items()}
"""
    answers = {
        "starter": find(4).starters[0].read_text(),
        "solution": find(4).solution[0].read_text(),
        "clipped": clipped,
        "clip the sum": "import torch\ndef aggregate(gradients):" + the_sum,
        "nothing": "def aggregate(gradients):\n    return {name: 0 * one for name, one in gradients[0].items()}\n",
    }
    found = {}
    for name, text in answers.items():
        file = tmp_path_factory.mktemp("wild") / "wild_gradient.py"
        file.write_text(text)
        with pytest.MonkeyPatch.context() as patch:
            if name in ("clip the sum", "nothing"):
                patch.setattr(wild_gradient, "_training", lambda program, report: None)
            found[name] = wrong(checked(4, file))
    return found


WILD, TRAINING = "one wild gradient: close to the mean of the others", "the training goes on after one wild gradient"


@pytest.mark.slow
def test_rules_that_survive_pass(wild: dict[str, dict[str, str]]) -> None:
    assert wild["solution"] == {}
    assert wild["clipped"] == {}


@pytest.mark.slow
def test_the_mean_is_spoilt_and_the_training_stops(wild: dict[str, dict[str, str]]) -> None:
    assert set(wild["starter"]) == {WILD, TRAINING}
    assert "too large: the wild one is in it" in wild["starter"][WILD]
    assert "with the plain mean. Expected at most" in wild["starter"][TRAINING]


@pytest.mark.slow
def test_rules_that_only_look_right_are_told_apart(wild: dict[str, dict[str, str]]) -> None:
    assert "not its direction" in wild["clip the sum"][WILD]
    assert "too small" in wild["nothing"]["five honest gradients: close to their mean"]


# ------------------------------------------------------------------------------------------------ the table


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("workers,rounds,images,seconds\n", "has no line for 1 worker: measure it"),
        ("workers,seconds\n1,2\n", "should be workers,rounds,images,seconds"),
        ("workers,rounds,images,seconds\n1,30,5760,20\n2,30,5760,12\n", "no line for 3 workers"),
        ("workers,rounds,images,seconds\n1,30,5760,20 s\n", "Line 2 of scaling.csv has something that is not a number"),
        ("workers,rounds,images,seconds\n1,30,5760\n", "Line 2 of scaling.csv"),
        ("workers,rounds,images,seconds\n1,30,5760,20,7\n", "Line 2 of scaling.csv"),
        ("workers,rounds,images,seconds\n1,30,5760,-20\n", "4 numbers above 0"),
        ("workers,rounds,images,seconds\n1,30,5760,20\n1,30,5760,21\n", "two lines for 1 workers"),
        (
            "workers,rounds,images,seconds\n1,30,960,20\n2,30,1920,22\n3,30,2880,21\n",
            "With 1 worker a round had 32 images",
        ),
        ("workers,rounds,images,seconds\n1,30,5760,20\n2,30,5760,20\n3,30,5760,9\n", "is a line copied?"),
        ("workers,rounds,images,seconds\n1,30,5760,90\n2,30,5760,12\n3,30,5760,9\n", "2 workers cannot be 7.5 times"),
        ("\x00\xff", "scaling.csv"),
        ("", "is empty"),
    ],
)
def test_a_table_that_cannot_be_true(table: str, said: str, tmp_path: Path) -> None:
    file = solved(5, tmp_path)
    (tmp_path / "scaling.csv").write_text(table, encoding="latin-1")
    details = list(wrong(checked(5, file)).values())
    assert len(details) == 1
    assert said in details[0]


def test_slower_with_more_workers_can_be_true(tmp_path: Path) -> None:
    file = solved(5, tmp_path)
    (tmp_path / "scaling.csv").write_text("workers,rounds,images,seconds\n1,30,5760,20\n2,30,5760,15\n3,30,5760,24\n")
    assert checked(5, file).passed


# -------------------------------------------------------------------------------------- files of all kinds


@pytest.mark.parametrize("number", IN_PYTHON)
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty. Begin with the starter file"),
        ("def f(:\n", "line 1: def f(:\nSyntaxError"),
        ("x = 1\nimport no_such_package\n", "line 2: import no_such_package\nModuleNotFoundError"),
        ("import sys\nsys.exit(3)\n", "line 2: sys.exit(3)\nSystemExit: 3"),
        ("x = 1\n", "There is no function"),
    ],
)
def test_a_file_that_does_not_run(number: int, text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / find(number).file
    file.write_text(text)
    report = checked(number, file)
    assert not report.passed
    assert any(said in detail for detail in wrong(report).values())


def test_an_error_names_the_line_and_is_said_once(tmp_path: Path) -> None:
    file = tmp_path / "weighted_mean.py"
    file.write_text("import torch\n\ndef weighted_mean(results):\n    return torch.zeros(2) + torch.zeros(3)\n")
    first, *others = wrong(checked(1, file)).values()
    assert first.startswith("weighted_mean() stopped with an error.\nline 4: return torch.zeros(2) + torch.zeros(3)\n")
    assert "RuntimeError: The size of tensor a (2) must match" in first
    assert others == ["The same as above."] * 4


def test_a_recursion_without_end_is_an_error_like_others(tmp_path: Path) -> None:
    file = tmp_path / "endless.py"
    file.write_text("def f():\n    return f()\n")
    with pytest.raises(LearnersError, match=r"line 2: return f\(\)\nRecursionError"):
        Program(file).call("f")


def test_dataclasses_work_in_a_learners_file(tmp_path: Path) -> None:
    file = tmp_path / "records.py"
    file.write_text(
        "from __future__ import annotations\nfrom dataclasses import dataclass\n\n"
        "@dataclass\nclass A:\n    x: int = 1\n\ndef f():\n    return A().x\n"
    )
    assert Program(file).call("f") == 1
