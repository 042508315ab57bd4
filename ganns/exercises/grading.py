"""Grade a folder of submissions, as Moodle and Canvas give them out: who handed in what, and what each check says.

Each file is checked in a copy of its folder and with a GANNS_HOME of its own, so that neither the submissions nor the
grader's own exercises change.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ganns.errors import ConfigError
from ganns.exercises.catalogue import EXERCISES, Exercise
from ganns.exercises.report import Report
from ganns.exercises.runner import run_check, summary
from ganns.utils.printable import printable

OF_MOODLE = re.compile(r"(?P<name>.+)_(?P<number>\d+)_assignsubmission_\w+")
"""A folder's name in Moodle's download: "Ada Lovelace_4711_assignsubmission_file_"."""
OF_CANVAS = re.compile(r"(?P<name>[^_]+)_(?:LATE_)?(?P<number>\d+)_\d+_(?P<file>.+?)(?:-\d+)?(?P<ending>\.\w+)")
"""A file's name in Canvas' download: "lovelaceada_LATE_17_4711_scaling-1.py"."""
MAX_FILES = 200
"""Of one submission; a copied project folder has more, and is none."""


@dataclass
class Submission:
    """The files of one student."""

    student: str
    files: dict[str, Path] = field(default_factory=dict)  # by the name that the exercise gave it
    number: str = ""  # that the system gave to the student


@dataclass(frozen=True)
class Grade:
    """The result of one exercise's check of a submission."""

    student: str
    exercise: Exercise
    report: Report
    printed: str  # the end of its output

    @property
    def points(self) -> float:
        """The share of right parts, in percent; 100 only if nothing is wrong."""
        judged = [result.right for result in self.report.results if result.right is not None]
        return round(100 * sum(judged) / len(judged), 1) if judged else 0.0


def find_submissions(folder: Path) -> list[Submission]:
    """Return what each student handed in, in order of the names.

    A folder is a student's (also in Moodle's download); a file beside the folders is named as Canvas does it. Both
    systems write a number behind the name. Two students of one name are two, and are shown with their numbers.

    Raises:
        ConfigError: if there is no such folder, or nothing in it.
    """
    if not folder.is_dir():
        raise ConfigError(f"There is no folder {folder}: unpack the download of your system, and name its folder.")
    found: dict[tuple[str, str], dict[str, Path]] = {}
    for path in sorted(folder.iterdir()):
        if path.is_symlink() or path.name.startswith("."):
            continue
        if path.is_dir():
            match = OF_MOODLE.fullmatch(path.name)
            files = {one.name: one for one in _files_below(path)}
        elif match := OF_CANVAS.fullmatch(path.name):
            files = {match["file"] + match["ending"]: path}
        else:
            continue
        student = (match["name"], match["number"]) if match else (path.name, "")
        found.setdefault(student, {}).update(files)
    if not found:
        raise ConfigError(f"There is no submission in {folder}: it should have a folder for each student, with files.")
    shared = {name for name, num in Counter(name for name, _ in found).items() if num > 1}
    return [
        Submission(f"{name} ({number})" if name in shared and number else name, files, number)
        for (name, number), files in sorted(found.items())
    ]


def _files_below(folder: Path) -> list[Path]:
    """Return the files of a folder and of folders in it, the upper ones last."""
    paths = [one for one in folder.rglob("*") if one.is_file() and not one.is_symlink()][: MAX_FILES + 1]
    return sorted(paths, key=lambda one: -len(one.parts)) if len(paths) <= MAX_FILES else []


def exercises_in(submissions: Sequence[Submission]) -> list[Exercise]:
    """Return the exercises that at least one student handed in.

    Raises:
        ConfigError: if there is none.
    """
    found = [one for one in EXERCISES if any(one.file in submission.files for submission in submissions)]
    if not found:
        names = ", ".join(one.file for one in EXERCISES)
        raise ConfigError(f"No student handed in a file of an exercise: they are called {names}.")
    return found


def grade(submission: Submission, exercise: Exercise) -> Grade:
    """Check what a student handed in for an exercise; without a file, the report says that."""
    if exercise.file not in submission.files:
        report = Report()
        report.wrong("it was handed in", f"There is no {exercise.file}.")
        return Grade(submission.student, exercise, report, "")
    with tempfile.TemporaryDirectory(prefix="ganns-grade-") as folder:
        work = Path(folder)
        for name, path in submission.files.items():
            shutil.copyfile(path, work / name)
        report, printed = run_check(exercise, work / exercise.file)
    return Grade(submission.student, exercise, report, printed)


def feedback(grades: Sequence[Grade]) -> str:
    """Return what a student should read about all exercises."""
    parts = []
    for one in grades:
        lines = [f"Exercise {one.exercise.number}: {one.exercise.title} ({summary(one.report.results)})", ""]
        for result in one.report.results:
            lines.append(f"  {({True: 'ok', False: 'no', None: '--'})[result.right]}  {result.title}")
            lines += [f"      {line}" for line in result.detail.splitlines()]
        if one.printed:
            lines += ["", "It printed:", *(f"      {line}" for line in one.printed.splitlines())]
        parts.append(printable("\n".join(lines), 100_000, lines=True))
    return "\n\n\n".join(parts) + "\n"


def file_name(student: str) -> str:
    """Return a name for a student's feedback file: letters and digits of any alphabet, and no separator of a path."""
    return re.sub(r"[^\w.@ ()-]", "_", student).strip(". ")[:100] or "unnamed"
