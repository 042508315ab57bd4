"""Exercise 5: are the three functions right, and can the numbers in the table be true?

The check does not judge the speed: on two processors, or on a busy machine, three workers may be slower than two.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from ganns.exercises.learner import LearnersError, Program
from ganns.exercises.report import Report

COLUMNS = ["workers", "rounds", "images", "seconds"]
TABLE = "scaling.csv"
MOST = 1.25
"""A speed-up of more than this times the number of workers is a mistake in the measurement."""


def check(file: Path, report: Report) -> None:
    """Check a learner's file, and the table beside it."""
    program = Program(file)
    for title, function, cases in _CASES:
        with report.part(title):
            _function(program, report, title, function, cases)
    with report.part(TABLE):
        rows = _read(file.with_name(TABLE))
        report.right(f"{TABLE} has rows for 1, 2 and 3 workers")
        _plausible(rows, report)


# (arguments, expected value, values of common mistakes with their explanations)
_Case = tuple[tuple[float, ...], float, dict[float, str]]
_OTHER = "That is the fraction that is divided among workers; return the other one."
_CASES: list[tuple[str, str, list[_Case]]] = [
    (
        "speedup()",
        "speedup",
        [
            ((12.0, 12.0), 1.0, {0.0: "That is the time saved."}),
            ((12.0, 5.0), 2.4, {5 / 12: "The fraction is upside down.", 7.0: "That is the time saved, in seconds."}),
        ],
    ),
    (
        "efficiency()",
        "efficiency",
        [
            ((12.0, 12.0, 1), 1.0, {}),
            ((12.0, 6.0, 2), 1.0, {2.0: "That is the speed-up; divide it by the number of workers."}),
            (
                (12.0, 5.0, 3),
                0.8,
                {
                    2.4: "That is the speed-up; divide it by the number of workers.",
                    1.2: "Divide by 3 workers, not by 2.",
                },
            ),
            ((12.0, 15.0, 3), 12 / 45, {}),
        ],
    ),
    (
        "amdahl_fraction()",
        "amdahl_fraction",
        [
            ((2.0, 2), 0.0, {1.0: _OTHER}),
            ((1.0, 3), 1.0, {0.0: _OTHER}),
            ((2.4, 3), 0.125, {0.875: _OTHER, 1 / 12: "That is 1/speedup - 1/workers; divide it by 1 - 1/workers."}),
            ((100 / 34, 4), 0.12, {}),
        ],
    ),
]


def _function(program: Program, report: Report, title: str, function: str, cases: list[_Case]) -> None:
    for arguments, expected, mistakes in cases:
        found = program.call(function, *arguments)
        call = f"{function}({', '.join(f'{value:.6g}' for value in arguments)})"
        if isinstance(found, bool) or not isinstance(found, int | float):
            raise LearnersError(f"{call} should return a number, but returned {found!r:.100}.")
        if not abs(found - expected) <= 1e-6:  # also for NaN
            why = next((text for value, text in mistakes.items() if abs(found - value) < 1e-6), "")
            report.wrong(title, f"{call}: expected {expected:.6g}, got {found:.6g}.\n{why}".rstrip())
            return
    report.right(title)


def _read(path: Path) -> dict[int, dict[str, float]]:
    """Return the table: {workers: {column: value}}.

    Raises:
        LearnersError: if a line cannot be used; the text says which.
    """
    if not path.is_file():
        raise LearnersError(f"There is no {TABLE} beside your file: `ganns exercise start 5` puts one there.")
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream, skipinitialspace=True)
            lines: list[tuple[int, dict[Any, Any]]] = [(reader.line_num, line) for line in reader]
            columns = [name.strip() for name in reader.fieldnames or []]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise LearnersError(f"{TABLE} cannot be read: {error}.") from error
    if columns != COLUMNS:
        raise LearnersError(
            f"The first line of {TABLE} should be {','.join(COLUMNS)}, but is {','.join(columns) or 'empty'}."
        )
    rows: dict[int, dict[str, float]] = {}
    for number, line in lines:
        try:
            row = {name.strip(): float(line[name]) for name in line if name is not None}
        except (TypeError, ValueError) as error:
            raise LearnersError(f"Line {number} of {TABLE} has something that is not a number: {error}.") from error
        if None in line or not all(0 < value < 1e9 for value in row.values()):
            raise LearnersError(
                f"Line {number} of {TABLE} should have 4 numbers above 0, but has {list(line.values())}."
            )
        if row["workers"] in rows:
            raise LearnersError(f"{TABLE} has two lines for {row['workers']:g} workers: keep one, or their mean.")
        rows[int(row["workers"])] = row
    if missing := {1, 2, 3} - set(rows):
        raise LearnersError(
            f"{TABLE} has no line for {min(missing)} worker{'s' if min(missing) > 1 else ''}: measure it."
        )
    return rows


def _plausible(rows: dict[int, dict[str, float]], report: Report) -> None:
    per_round = {num: row["images"] / row["rounds"] for num, row in rows.items()}
    title = "each run did the same work in a round"
    other = next((num for num, images in per_round.items() if abs(images - per_round[1]) > 0.01 * per_round[1]), None)
    if other is not None:
        report.wrong(
            title,
            f"With 1 worker a round had {per_round[1]:g} images, with {other} it had {per_round[other]:g}: so you "
            "cannot compare the times.\nUse the same quorum.units and strategy.unit_images for any number of workers.",
        )
    else:
        report.right(title)
    title = "the times can be true"
    seconds = {num: row["seconds"] / row["rounds"] for num, row in rows.items()}
    gains = {num: seconds[1] / value for num, value in seconds.items()}
    table = ", ".join(f"{num}: {seconds[num]:.3g} s a round, speed-up {gains[num]:.2f}" for num in sorted(rows))
    if len(set(seconds.values())) < len(seconds):
        report.wrong(title, f"{table}.\nTwo lines have exactly the same time for a round: is a line copied?")
    elif wrong := next((num for num in sorted(rows) if gains[num] > MOST * num), None):
        report.wrong(
            title,
            f"{table}.\n{wrong} workers cannot be {gains[wrong]:.1f} times as fast as one. Was the machine busy in "
            "the first run, or did it still draw its faces?\nMeasure again, and leave out each run's first rounds.",
        )
    else:
        report.right(title, f"{table}.")
