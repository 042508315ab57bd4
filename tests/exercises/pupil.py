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
