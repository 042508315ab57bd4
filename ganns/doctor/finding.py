"""What a check found, in words."""

from __future__ import annotations

from dataclasses import dataclass

OK, WARNING, PROBLEM = "ok", "warning", "problem"


@dataclass(frozen=True)
class Finding:
    """One line of `ganns doctor`: a subject, how it is, and what to type if it is not well."""

    subject: str
    state: str  # OK, WARNING (it works, but) or PROBLEM (something will not work)
    said: str
    todo: str = ""


def ok(subject: str, said: str) -> Finding:
    """All is well."""
    return Finding(subject, OK, said)


def warning(subject: str, said: str, todo: str) -> Finding:
    """It works, but not as well as it could, or not everything."""
    return Finding(subject, WARNING, said, todo)


def problem(subject: str, said: str, todo: str) -> Finding:
    """It will not work."""
    return Finding(subject, PROBLEM, said, todo)
