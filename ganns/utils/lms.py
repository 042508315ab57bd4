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


def grades(
    system: System, rows: Iterable[tuple[str, Mapping[str, object]]], numbers: Mapping[str, str] | None = None
) -> str:
    """Return a CSV file: for each person the columns that identify it, then the given ones.

    Moodle's import asks which column identifies a person: `Username`, or `Email address` where the name is one. A
    download of submissions has neither, but the number of the grading worksheet, whose `Identifier` is
    "Participant 4711". Canvas wants its five columns first, and matches `ID`, its own number of a person, or
    `SIS Login ID`; every other column is an assignment.

    Args:
        system: that imports the file.
        rows: (name, {column: value}) of each person, all with the same columns.
        numbers: of the persons, as a download of submissions has them; None: the names are logins.
    """
    found = list(rows)
    columns = list(found[0][1]) if found else []
    heads = _WITH_NUMBERS if numbers is not None else _WITH_LOGINS
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*heads[system], *columns])
    for name, values in found:
        who = _by_login(system, safe(name)) if numbers is None else _by_number(system, safe(name), numbers.get(name))
        writer.writerow([*who, *(_cell(values[column]) for column in columns)])
    return stream.getvalue()


_OF_CANVAS = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")
_WITH_LOGINS = {System.MOODLE: ("Username", "Email address"), System.CANVAS: _OF_CANVAS}
_WITH_NUMBERS = {System.MOODLE: ("Identifier", "Full name"), System.CANVAS: _OF_CANVAS}


def _by_login(system: System, name: str) -> tuple[str, ...]:
    if system is System.CANVAS:
        return (name, "", "", name, "")
    return ("", name) if "@" in name else (name, "")


def _by_number(system: System, name: str, number: str | None) -> tuple[str, ...]:
    if system is System.CANVAS:
        return (name, number or "", "", "", "")
    return (f"Participant {number}" if number else "", name)


def _cell(value: object) -> object:
    return safe(value) if isinstance(value, str) else value


def safe(text: str) -> str:
    """Return text that a spreadsheet shows and does not compute: `=1+1` of another person would be a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
