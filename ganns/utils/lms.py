"""CSV files that a learning management system imports as grades: Moodle and Canvas."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from enum import StrEnum


class System(StrEnum):
    """The systems whose columns we know."""

    MOODLE = "moodle"
    CANVAS = "canvas"


def grades(system: System, rows: Iterable[tuple[str, Mapping[str, object]]]) -> str:
    """Return a CSV file: for each person the columns that identify it, then the given ones.

    Moodle's import asks which column identifies a person: `Username`, or `Email address` where the name is one.
    Canvas wants its five columns first, and matches `SIS Login ID`; every other column is an assignment.

    Args:
        system: that imports the file.
        rows: (name, {column: value}) of each person, all with the same columns.
    """
    found = list(rows)
    columns = list(found[0][1]) if found else []
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*_HEADS[system], *columns])
    for name, values in found:
        writer.writerow([*_identify(system, safe(name)), *(_cell(values[column]) for column in columns)])
    return stream.getvalue()


_HEADS = {
    System.MOODLE: ("Username", "Email address"),
    System.CANVAS: ("Student", "ID", "SIS User ID", "SIS Login ID", "Section"),
}


def _identify(system: System, name: str) -> tuple[str, ...]:
    if system is System.CANVAS:
        return (name, "", "", name, "")
    return ("", name) if "@" in name else (name, "")


def _cell(value: object) -> object:
    return safe(value) if isinstance(value, str) else value


def safe(text: str) -> str:
    """Return text that a spreadsheet shows and does not compute: `=1+1` of another person would be a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
