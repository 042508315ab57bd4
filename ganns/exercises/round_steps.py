"""The steps of exercise 6's scenarios: claim, submit and close with the learner's functions, and compare."""

from __future__ import annotations

from typing import Any

from ganns.exercises.learner import LearnersError
from ganns.exercises.sessions import DatabaseSession

Unit = tuple[int, int, int]  # round, unit, attempt


def claimed(session: DatabaseSession) -> Unit | None:
    """Claim without a COMMIT."""
    return only(session.call("claim", "ada"))


def only(rows: list[tuple[Any, ...]]) -> Unit | None:
    """Return the row of a claim, or None.

    Raises:
        LearnersError: if there are several.
    """
    if len(rows) > 1:
        raise LearnersError(f"exercise.claim() should return one row, but returned {len(rows)}.")
    return (rows[0][0], rows[0][1], rows[0][2]) if rows else None


def take(session: DatabaseSession) -> Unit | None:
    """Claim, with a COMMIT."""
    got = claimed(session)
    session.commit()
    return got


def submit(session: DatabaseSession, unit: int, attempt: int, value: int, number: int = 0) -> Any:
    """Submit a result, with a COMMIT, and return the answer."""
    return session.committed("submit", number, unit, attempt, value)[0][0]


def close(session: DatabaseSession, number: int = 0) -> Any:
    """Close a round, with a COMMIT, and return the answer."""
    return session.committed("close", number)[0][0]


def work(ada: DatabaseSession, bob: DatabaseSession) -> None:
    """Let Ada and Bob do units 1 and 2: their results are 1 and 4."""
    for session, unit, value in ((ada, 1, 1), (bob, 2, 4)):
        got = take(session)
        answer: Any = None
        if got == (0, unit, 1):
            answer = submit(session, unit, 1, value)
        if answer != "stored":
            raise LearnersError(
                f"It begins with units 1 and 2 that are claimed and submitted. Expected {shown((0, unit, 1))}, and "
                f"'stored'; got {shown(got)}, and {answer!r}."
            )


def differ(story: str, answers: list[Any], expected: list[str], why: str = "") -> str:
    """Return the problem if the answers are not the expected ones."""
    if answers == expected:
        return ""
    return f"{story}\nExpected {', '.join(map(repr, expected))}; got {', '.join(map(repr, answers))}.\n{why}".rstrip()


def holds(story: str, watcher: DatabaseSession, number: int = 0, *, why: str = "", **expected: str) -> str:
    """Return the problem if the tables do not hold what they should: status, units, results, versions."""
    for what, words in expected.items():
        if what == "versions":
            found = watcher.committed("all_versions")[0][0]
        else:
            found = watcher.committed(f"{what}_of", number)[0][0]
        if found != words:
            where = "The versions" if what == "versions" else f"The {what} of round {number}"
            return f"{story}\n{where}: expected {words}; got {found}.\n{why}".rstrip()
    return ""


def shown(got: Unit | None) -> str:
    """Return the row of a claim as text."""
    return "no row" if got is None else f"unit {got[1]} of round {got[0]}, attempt {got[2]}"
