"""Findings: the results of checks, which `ganns doctor` and `ganns plugin check` print."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass

OK, NOTE, WARNING, PROBLEM = "ok", "note", "warning", "problem"


@dataclass(frozen=True)
class Finding:
    """One result of a check: the subject, its state, a sentence about it, and what to type against a problem."""

    subject: str
    state: str  # OK, NOTE (neither good nor bad), WARNING (it works, with limits) or PROBLEM (it will not work)
    said: str = ""
    todo: str = ""


def ok(subject: str, said: str = "") -> Finding:
    """Return a finding without a problem."""
    return Finding(subject, OK, said)


def note(subject: str, said: str) -> Finding:
    """Return a finding that is neither good nor bad."""
    return Finding(subject, NOTE, said)


def warning(subject: str, said: str, todo: str) -> Finding:
    """Return a finding about something that works, but not fully or not as well as it could."""
    return Finding(subject, WARNING, said, todo)


def problem(subject: str, said: str, todo: str = "") -> Finding:
    """Return a finding about something that will not work."""
    return Finding(subject, PROBLEM, said, todo)


def report(findings: list[Finding]) -> None:
    """Fail a test if there is a problem.

    Raises:
        AssertionError: with every problem.
    """
    if problems := [f"{one.subject}: {one.said}" for one in findings if one.state == PROBLEM]:
        raise AssertionError("; ".join(problems))


def run(checks: Sequence[tuple[str, Callable[[], str | None]]]) -> list[Finding]:
    """Run checks, each with the sentence that it tests; a check returns its problem, or None."""
    return [problem(subject, said) if (said := _problem(check)) else ok(subject) for subject, check in checks]


def _problem(check: Callable[[], str | None]) -> str | None:
    try:
        return check()
    except Exception as error:  # a plug-in may raise anything
        place = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__}: {error} ({place.filename}, line {place.lineno})"
