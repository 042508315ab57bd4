"""Exercise 3: is a job handed out to one worker at a time, and its result stored exactly once, whatever is interleaved?

Every scenario begins with new tables and the learner's functions, and is one order of steps in two sessions,
always the same.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ganns.db.address import Address
from ganns.exercises.catalogue import find
from ganns.exercises.learner import LearnersError
from ganns.exercises.report import Report
from ganns.exercises.sessions import DatabaseSession, Later, load, three_sessions

TABLES = find(3).starters[1]


def check(file: Path, report: Report, address: Address | None = None) -> None:
    """Check a learner's file on the server at `address`, or at GANNS_DATABASE_URL."""
    address = address or Address(os.environ["GANNS_DATABASE_URL"], "GANNS_DATABASE_URL")
    if not file.read_text(encoding="utf-8", errors="replace").strip():
        raise LearnersError(f"{file.name} is empty. Begin with the starter file: `ganns exercise start 3`.")
    scenarios = {
        "claim: two at once get two jobs, and nobody waits": _two_claims,
        "claim: one that is undone gives its job back": _undone_claim,
        "claim: when nothing is left there is no row": _nothing_left,
        "submit: a result is stored once": _one_submit,
        "submit: a sleeper's result is stale": _sleeper,
        "submit: a sleeper wakes while its job is handed out again": _race,
        "submit: the same result twice at the same moment": _twice_at_once,
    }
    with three_sessions(address) as sessions:
        for title, scenario in scenarios.items():
            with report.part(title):
                for session in sessions:
                    session.rollback()
                load(sessions[2], TABLES)
                load(sessions[2], file)
                if wrong := scenario(*sessions):
                    report.wrong(title, wrong)
                else:
                    report.right(title)


def _two_claims(ada: DatabaseSession, bob: DatabaseSession, watcher: DatabaseSession) -> str:
    first = _claimed(ada)
    if first != (1, 1):
        return f"Ada claims. Expected job 1, attempt 1; got {_job(first)}."
    second = Later(bob, watcher, "claim", "bob")  # Ada has not committed
    ada.commit()
    rows = second.rows()
    bob.commit()
    got = _only(rows)
    if got is not None and got[0] == first[0]:
        return (
            f"Ada claims job 1. Before her COMMIT, Bob claims. Expected job 2, attempt 1; got {_job(got)}: both hold "
            "job 1.\n"
            "Bob's SELECT saw job 1 as 'todo', since Ada's change was not committed. His UPDATE waited for her, and "
            "then did\n"
            "not look at the status again."
        )
    if got is None:
        return (
            "Ada claims job 1. Before her COMMIT, Bob claims. Expected job 2, attempt 1; got no row, though jobs 2 "
            "and 3 are\n"
            "to be done. He chose job 1, waited for Ada, and then job 1 was not 'todo' any more: what he had chosen "
            "is gone.\n"
            "He should pass over a row that somebody has locked."
        )
    if second.waited:
        return (
            f"Ada claims job 1. Before her COMMIT, Bob claims. He got {_job(got)}, which is right, but he had to "
            "wait for Ada.\n"
            "A hundred workers would stand in a queue: pass over rows that are locked."
        )
    return "" if got == (2, 1) else f"Bob claims, while Ada holds job 1. Expected job 2, attempt 1; got {_job(got)}."


def _undone_claim(ada: DatabaseSession, bob: DatabaseSession, watcher: DatabaseSession) -> str:
    _claimed(ada)
    ada.rollback()
    got = _claimed(bob)
    if got == (1, 1):
        return ""
    return f"Ada claims job 1 and rolls back. Then Bob claims. Expected job 1, attempt 1; got {_job(got)}."


def _nothing_left(ada: DatabaseSession, bob: DatabaseSession, watcher: DatabaseSession) -> str:
    got = []
    for _ in range(4):
        got.append(_claimed(ada))
        ada.commit()
    if got == [(1, 1), (2, 1), (3, 1), None]:
        return ""
    return f"Four claims of 3 jobs. Expected job 1, 2, 3 and no row; got {', '.join(map(_job, got))}."


def _one_submit(ada: DatabaseSession, bob: DatabaseSession, watcher: DatabaseSession) -> str:
    _take(ada)
    first = _submit(ada, 1, "a")
    if first != "stored" or _stored(watcher) != [(1, "a")]:
        return (
            "Ada claims job 1 and submits 'a' for attempt 1. Expected the answer 'stored' and one row; got "
            f"{first!r} and "
            f"{_rows(watcher)}."
        )
    second = _submit(ada, 1, "a")
    if second != "duplicate" or len(_stored(watcher)) != 1:
        return (
            "Ada submits the same again (the first answer was lost on its way to her). Expected 'duplicate' and one "
            "row; got "
            f"{second!r} and {_rows(watcher)}."
        )
    status = watcher.committed("status_of", 1)[0][0]
    return "" if status == "done" else f"After the result is stored, job 1 should be 'done', and is {status!r}."


def _sleeper(ada: DatabaseSession, bob: DatabaseSession, watcher: DatabaseSession) -> str:
    _take(ada)
    watcher.committed("rescue", 1)
    _take(bob)
    stale = _submit(ada, 1, "from ada")
    story = (
        "Ada claims job 1 and sleeps; it is rescued, and Bob claims it as attempt 2. Ada wakes and submits attempt 1."
    )
    if stale != "stale" or _stored(watcher):
        return (
            f"{story}\nExpected the answer 'stale' and no row; got {stale!r} and {_rows(watcher)}.\n"
            "The attempt that holds the job is the only one that may submit: compare with attempts and status in "
            "exercise.jobs."
        )
    stored = _submit(bob, 2, "from bob")
    if stored != "stored" or _stored(watcher) != [(2, "from bob")]:
        return (
            f"{story} Hers is stale. Then Bob submits attempt 2.\nExpected 'stored' and his row alone; got "
            f"{stored!r} and "
            f"{_rows(watcher)}."
        )
    return ""


def _race(ada: DatabaseSession, bob: DatabaseSession, watcher: DatabaseSession) -> str:
    _take(ada)
    bob.call("rescue", 1)  # bob's transaction stays open: a rescue and a claim, not committed
    if _claimed(bob) != (1, 2):
        return "Job 1 is rescued, and claimed again in the same transaction. Expected attempt 2."
    late = Later(ada, watcher, "submit", 1, 1, "from ada")
    bob.commit()
    answer = late.rows()[0][0]
    ada.commit()
    _submit(bob, 2, "from bob")
    if answer == "stale" and _stored(watcher) == [(2, "from bob")]:
        return ""
    return (
        "Ada holds job 1. In one transaction it is rescued and claimed by Bob; before its COMMIT, Ada submits "
        "attempt 1.\n"
        f"Then COMMIT, and Bob submits attempt 2. Expected 'stale' for Ada, and Bob's row alone; got {answer!r} and "
        f"{_rows(watcher)}.\n"
        "Looking and writing were two steps, and the job changed hands between them. Look and lock in one step: an "
        "UPDATE with\n"
        "the condition in its WHERE, or SELECT ... FOR UPDATE. Then Ada waits for the COMMIT, and sees what is true "
        "after it."
    )


def _twice_at_once(ada: DatabaseSession, bob: DatabaseSession, watcher: DatabaseSession) -> str:
    _take(ada)
    first = ada.call("submit", 1, 1, "a")[0][0]
    second = Later(bob, watcher, "submit", 1, 1, "a")
    ada.commit()
    answers = [first, second.rows()[0][0]]
    bob.commit()
    if answers == ["stored", "duplicate"] and _stored(watcher) == [(1, "a")]:
        return ""
    return (
        "Attempt 1 of job 1 submits on two connections at the same moment (the network sent it twice).\n"
        f"Expected 'stored', 'duplicate' and one row; got {answers[0]!r}, {answers[1]!r} and {_rows(watcher)}.\n"
        "The second must wait for the first one's COMMIT before it looks."
    )


# --------------------------------------------------------------------------------------------------- steps


def _claimed(session: DatabaseSession) -> tuple[int, int] | None:
    """Claim without a COMMIT: (job, attempt), or None."""
    return _only(session.call("claim", "bob"))


def _only(rows: list[tuple[Any, ...]]) -> tuple[int, int] | None:
    if len(rows) > 1:
        raise LearnersError(f"exercise.claim() should return one row, and returned {len(rows)}.")
    return (rows[0][0], rows[0][1]) if rows else None


def _take(session: DatabaseSession) -> None:
    """Claim job 1, with a COMMIT."""
    got = _claimed(session)
    session.commit()
    if got is None or got[0] != 1:
        raise LearnersError(f"exercise.claim() should have handed out job 1, and gave {_job(got)}.")


def _submit(session: DatabaseSession, attempt: int, value: str) -> Any:
    rows = session.committed("submit", 1, attempt, value)
    return rows[0][0] if rows else None


def _stored(watcher: DatabaseSession) -> list[tuple[Any, ...]]:
    return watcher.committed("stored", 1)


def _rows(watcher: DatabaseSession) -> str:
    """Say what is stored for job 1."""
    rows = _stored(watcher)
    if not rows:
        return "no row"
    listed = ", ".join(f"attempt {attempt}: {value!r}" for attempt, value in rows)
    return f"{len(rows)} row{'s' if len(rows) > 1 else ''} ({listed})"


def _job(got: tuple[int, int] | None) -> str:
    return "no row" if got is None else f"job {got[0]}, attempt {got[1]}"
