"""Exercise 3: is a job handed out to one worker at a time, and its result stored exactly once?

Each scenario begins with new tables and the learner's functions. It is a fixed order of steps in two sessions.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ganns.db.address import Address
from ganns.exercises.learner import LearnersError
from ganns.exercises.report import Report
from ganns.exercises.scenarios import Scenario, check_scenarios
from ganns.exercises.sessions import DatabaseSession, Later


def check(file: Path, report: Report, address: Address | None = None) -> None:
    """Check a learner's file on the server at `address`, or at GANNS_DATABASE_URL."""
    check_scenarios(3, SCENARIOS, file, report, address)


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
            "job 1.\nBob's SELECT saw job 1 as 'todo', because Ada's change was not committed. His UPDATE waited for "
            "her, and then\ndid not check the status again."
        )
    if got is None:
        return (
            "Ada claims job 1. Before her COMMIT, Bob claims. Expected job 2, attempt 1; got no row, though jobs 2 "
            "and 3 are\n'todo'. Bob chose job 1 and waited for Ada; then job 1 was not 'todo' any more, and he got "
            "nothing.\nHe should skip a row that another session has locked."
        )
    if second.waited:
        return (
            f"Ada claims job 1. Before her COMMIT, Bob claims. He got {_job(got)}, which is right, but he had to "
            "wait for Ada.\nOf a hundred workers, each would have to wait for the one before: skip locked rows."
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
    return f"Ada claims four times, but there are 3 jobs. Expected 1, 2, 3, no row; got {', '.join(map(_job, got))}."


def _one_submit(ada: DatabaseSession, bob: DatabaseSession, watcher: DatabaseSession) -> str:
    _take(ada)
    first = _submit(ada, 1, "a")
    if first != "stored" or _stored(watcher) != [(1, "a")]:
        return (
            "Ada claims job 1 and submits 'a' for attempt 1. Expected the answer 'stored' and one row; got "
            f"{first!r} and {_rows(watcher)}."
        )
    second = _submit(ada, 1, "a")
    if second != "duplicate" or len(_stored(watcher)) != 1:
        return (
            "Ada submits the same result again (she did not receive the first answer). Expected 'duplicate' and one "
            f"row; got {second!r} and {_rows(watcher)}."
        )
    status = watcher.committed("status_of", 1)[0][0]
    return "" if status == "done" else f"After the result is stored, job 1 should be 'done', but is {status!r}."


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
            "Only the attempt that holds the job may submit: compare with attempts and status in exercise.jobs."
        )
    stored = _submit(bob, 2, "from bob")
    if stored != "stored" or _stored(watcher) != [(2, "from bob")]:
        return (
            f"{story} Her result is stale. Then Bob submits attempt 2.\nExpected 'stored' and only his row; got "
            f"{stored!r} and {_rows(watcher)}."
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
        "Ada holds job 1. In one transaction, job 1 is rescued and Bob claims it. Before the COMMIT of this "
        "transaction, Ada\nsubmits attempt 1. After the COMMIT, Bob submits attempt 2. "
        f"Expected 'stale' for Ada, and only Bob's row; got {answer!r} and {_rows(watcher)}.\n"
        "Looking and writing were two steps, and Bob got the job between them. Check and lock in one step: an UPDATE "
        "with\nthe condition in its WHERE, or SELECT ... FOR UPDATE. Then Ada waits for the COMMIT, and sees the new "
        "attempt."
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
        "Attempt 1 of job 1 is submitted on two connections at the same moment (the network sent it twice).\n"
        f"Expected 'stored', 'duplicate' and one row; got {answers[0]!r}, {answers[1]!r} and {_rows(watcher)}.\n"
        "The second one must wait for the COMMIT of the first one before it checks the row."
    )


SCENARIOS: dict[str, Scenario] = {
    "claim: two workers at once get two jobs without waiting": _two_claims,
    "claim: after a rollback the job is free again": _undone_claim,
    "claim: without free jobs there is no row": _nothing_left,
    "submit: a result is stored once": _one_submit,
    "submit: a sleeper's result is stale": _sleeper,
    "submit: a sleeper wakes while its job is handed out again": _race,
    "submit: the same result twice at the same moment": _twice_at_once,
}


# --------------------------------------------------------------------------------------------------- steps


def _claimed(session: DatabaseSession) -> tuple[int, int] | None:
    """Claim without a COMMIT; return (job, attempt), or None."""
    return _only(session.call("claim", "bob"))


def _only(rows: list[tuple[Any, ...]]) -> tuple[int, int] | None:
    if len(rows) > 1:
        raise LearnersError(f"exercise.claim() should return one row, but returned {len(rows)}.")
    return (rows[0][0], rows[0][1]) if rows else None


def _take(session: DatabaseSession) -> None:
    """Claim job 1, with a COMMIT."""
    got = _claimed(session)
    session.commit()
    if got is None or got[0] != 1:
        raise LearnersError(f"exercise.claim() should have handed out job 1, but returned {_job(got)}.")


def _submit(session: DatabaseSession, attempt: int, value: str) -> Any:
    rows = session.committed("submit", 1, attempt, value)
    return rows[0][0] if rows else None


def _stored(watcher: DatabaseSession) -> list[tuple[Any, ...]]:
    return watcher.committed("stored", 1)


def _rows(watcher: DatabaseSession) -> str:
    """Return the results of job 1 as text."""
    rows = _stored(watcher)
    if not rows:
        return "no row"
    listed = ", ".join(f"attempt {attempt}: {value!r}" for attempt, value in rows)
    return f"{len(rows)} row{'s' if len(rows) > 1 else ''} ({listed})"


def _job(got: tuple[int, int] | None) -> str:
    return "no row" if got is None else f"job {got[0]}, attempt {got[1]}"
