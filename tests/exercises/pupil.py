"""A learner's files: the starter, the solution, and the solution with a mistake."""

from __future__ import annotations

import shutil
from pathlib import Path

from ganns.exercises.catalogue import find
from ganns.exercises.report import Report
from ganns.exercises.runner import check


def starter(number: int, folder: Path) -> Path:
    exercise = find(number)
    for path in exercise.starters:
        shutil.copyfile(path, folder / path.name)
    return folder / exercise.file


def solved(number: int, folder: Path, *changes: tuple[str, str]) -> Path:
    """The reference solution, with each change made: a change that finds nothing to change is a mistake of the test."""
    exercise = find(number)
    for path in exercise.solution:
        shutil.copyfile(path, folder / path.name)
    file = folder / exercise.file
    text = file.read_text()
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    file.write_text(text)
    return file


def checked(number: int, file: Path) -> Report:
    return check(number, file, Report())


def wrong(report: Report) -> dict[str, str]:
    """What is not right: title -> detail."""
    return {result.title: result.detail for result in report.results if result.right is False}


Mutant = tuple[dict[str, str], str, str]
"""A wrong solution: what is replaced in the reference solution; the beginning of the title of a part that must be
wrong; and words of its reason."""


def refused(number: int, folder: Path, mutant: Mutant) -> None:
    """Assert that a wrong solution is refused, in the right part and with the right reason."""
    changes, title, said = mutant
    found = wrong(checked(number, solved(number, folder, *changes.items())))
    details = [detail for part, detail in found.items() if part.startswith(title)]
    assert details, found
    assert said in details[0]
