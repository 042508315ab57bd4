"""What a check found, and how checks are run: an exception of a plug-in is a finding, too."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """What was looked at, and what was found: `problem` is None if it is right; a note is neither right nor wrong."""

    what: str
    problem: str | None = None
    note: str | None = None


def report(findings: list[Finding]) -> None:
    """Fail a test if something is wrong.

    Raises:
        AssertionError: with every problem.
    """
    if problems := [f"{one.what}: {one.problem}" for one in findings if one.problem]:
        raise AssertionError("; ".join(problems))


def run(checks: Sequence[tuple[str, Callable[[], str | None]]]) -> list[Finding]:
    """Run checks, each with the sentence that it tries; a check returns what is wrong, or None."""
    return [Finding(what, _problem(check)) for what, check in checks]


def _problem(check: Callable[[], str | None]) -> str | None:
    try:
        return check()
    except Exception as error:  # whatever a plug-in does
        place = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__}: {error} ({place.filename}, line {place.lineno})"
