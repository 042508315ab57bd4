"""Findings: what a check looked at, and whether it is well. `ganns doctor` and `ganns plugin check` print them."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass

OK, NOTE, WARNING, PROBLEM = "ok", "note", "warning", "problem"


@dataclass(frozen=True)
class Finding:
    """One result of a check: the subject, its state, a sentence about it, and what to type if it is not well."""

    subject: str
    state: str  # OK, NOTE (neither right nor wrong), WARNING (it works, but) or PROBLEM (something will not work)
    said: str = ""
    todo: str = ""


def ok(subject: str, said: str = "") -> Finding:
    """Say that all is well."""
    return Finding(subject, OK, said)


def note(subject: str, said: str) -> Finding:
    """Say something that is neither right nor wrong."""
    return Finding(subject, NOTE, said)


def warning(subject: str, said: str, todo: str) -> Finding:
    """Say that it works, but not as well as it could, or not everything."""
    return Finding(subject, WARNING, said, todo)


def problem(subject: str, said: str, todo: str = "") -> Finding:
    """Say that it will not work."""
    return Finding(subject, PROBLEM, said, todo)


def report(findings: list[Finding]) -> None:
    """Fail a test if there is a problem.

    Raises:
        AssertionError: with every problem.
    """
    if problems := [f"{one.subject}: {one.said}" for one in findings if one.state == PROBLEM]:
        raise AssertionError("; ".join(problems))


def run(checks: Sequence[tuple[str, Callable[[], str | None]]]) -> list[Finding]:
    """Run checks, each with the sentence that it tries; a check returns what is wrong, or None."""
    return [problem(subject, said) if (said := _problem(check)) else ok(subject) for subject, check in checks]


def _problem(check: Callable[[], str | None]) -> str | None:
    try:
        return check()
    except Exception as error:  # a plug-in may raise anything
        place = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__}: {error} ({place.filename}, line {place.lineno})"
