"""Exercise 6: do the learner's claim, submit and close keep a round's promises, whatever two sessions do at once?

Each scenario begins with new tables (round 0, units 1 to 3, quorum 2) and the learner's functions. It is a fixed order
of steps in two sessions.
"""

from __future__ import annotations

from pathlib import Path

from ganns.db.address import Address
from ganns.exercises.learner import LearnersError
from ganns.exercises.report import Report
from ganns.exercises.round_steps import claimed, close, differ, holds, only, shown, submit, take, work
from ganns.exercises.scenarios import Scenario, check_scenarios
from ganns.exercises.sessions import DatabaseSession, Later


def check(file: Path, report: Report, address: Address | None = None) -> None:
    """Check a learner's file on the server at `address`, or at GANNS_DATABASE_URL."""
    check_scenarios(6, SCENARIOS, file, report, address)


# ----------------------------------------------------------------------------------------------------- claim


def _two_claims(ada: DatabaseSession, bob: DatabaseSession, watcher: DatabaseSession) -> str:
    first = claimed(ada)
    second = Later(bob, watcher, "claim", "bob")  # Ada has not committed
    ada.commit()
    got = only(second.rows())
    bob.commit()
    story = "Ada claims. Before her COMMIT, Bob claims."
    if (first, got) != ((0, 1, 1), (0, 2, 1)):
        why = "Both hold the same unit: lock the row that you choose." if got and first and got[1] == first[1] else ""
        expected = f"Expected {shown((0, 1, 1))}, and {shown((0, 2, 1))}"
        return f"{story}\n{expected}; got {shown(first)}, and {shown(got)}.\n{why}".rstrip()
    if second.waited:
        return f"{story} He got {shown(got)}, which is right, but he had to wait for her. Skip locked rows."
    return ""


def _undone_claim(ada: DatabaseSession, bob: DatabaseSession, watcher: DatabaseSession) -> str:
    claimed(ada)
    ada.rollback()
    got = claimed(bob)
    if got == (0, 1, 1):
        return ""
    return f"Ada claims and rolls back. Then Bob claims. Expected {shown((0, 1, 1))}; got {shown(got)}."


def _nothing_left(ada: DatabaseSession, bob: DatabaseSession, watcher: DatabaseSession) -> str:
    got = [take(ada) for _ in range(4)]
    if got == [(0, 1, 1), (0, 2, 1), (0, 3, 1), None]:
        return ""
    listed = "; ".join(map(shown, got))
    return f"Ada claims four times, but there are 3 units. Expected units 1, 2, 3, and no row; got {listed}."


# ---------------------------------------------------------------------------------------------------- submit


def _one_submit(ada: DatabaseSession, bob: DatabaseSession, watcher: DatabaseSession) -> str:
    take(ada)
    answers = [submit(ada, 1, 1, 5), submit(ada, 1, 1, 5)]
    story = "Ada claims unit 1, submits 5 for attempt 1, and again (she did not receive the first answer)."
    return differ(story, answers, ["stored", "duplicate"]) or holds(
        story, watcher, units="1 done, 2 todo, 3 todo", results="unit 1 attempt 1: 5"
    )


def _sleeper(ada: DatabaseSession, bob: DatabaseSession, watcher: DatabaseSession) -> str:
    take(ada)
    watcher.committed("rescue", 0, 1)
    got = take(bob)
    story = "Ada claims unit 1 and sleeps. It is rescued, and Bob claims."
    if got != (0, 1, 2):
        return f"{story} Expected {shown((0, 1, 2))}; got {shown(got)}."
    answers = [submit(ada, 1, 1, 5), submit(bob, 1, 2, 7)]
    story += " Ada wakes and submits 5 for attempt 1; then Bob submits 7 for attempt 2."
    return differ(story, answers, ["stale", "stored"], "Only the attempt that holds the unit may submit.") or holds(
        story, watcher, results="unit 1 attempt 2: 7"
    )


def _race(ada: DatabaseSession, bob: DatabaseSession, watcher: DatabaseSession) -> str:
    take(ada)
    bob.call("rescue", 0, 1)
    claimed(bob)
    late = Later(ada, watcher, "submit", 0, 1, 1, 5)
    bob.commit()
    answer = late.rows()[0][0]
    ada.commit()
    story = (
        "Ada holds unit 1. A transaction rescues it and claims it for Bob. Before its COMMIT, Ada submits attempt 1."
    )
    why = "Looking and writing were two steps, and Bob got the unit between them: check the row in the UPDATE's WHERE."
    return differ(story, [answer], ["stale"], why) or holds(story, watcher, results="none")


def _twice_at_once(ada: DatabaseSession, bob: DatabaseSession, watcher: DatabaseSession) -> str:
    take(ada)
    first = ada.call("submit", 0, 1, 1, 5)[0][0]
    second = Later(bob, watcher, "submit", 0, 1, 1, 5)
    ada.commit()
    answers = [first, second.rows()[0][0]]
    bob.commit()
    story = "Attempt 1 of unit 1 is submitted on two connections at the same moment."
    why = "The second one must wait for the COMMIT of the first one before it checks the row."
    return differ(story, answers, ["stored", "duplicate"], why) or holds(story, watcher, results="unit 1 attempt 1: 5")


def _side_by_side(ada: DatabaseSession, bob: DatabaseSession, watcher: DatabaseSession) -> str:
    take(ada)
    take(bob)
    first = ada.call("submit", 0, 1, 1, 5)[0][0]
    second = Later(bob, watcher, "submit", 0, 2, 1, 7)
    ada.commit()
    answers = [first, second.rows()[0][0]]
    bob.commit()
    story = "Ada submits unit 1. Before her COMMIT, Bob submits unit 2."
    if second.waited:
        return (
            f"{story} He had to wait for her. Of a hundred workers, each would wait for the one before.\nSubmits need "
            "a lock of the round's row that they can hold together (FOR SHARE), and that only close() excludes."
        )
    return differ(story, answers, ["stored", "stored"])


def _late(ada: DatabaseSession, bob: DatabaseSession, watcher: DatabaseSession) -> str:
    work(ada, bob)
    take(ada)
    closed = close(bob)
    answers = [closed, submit(ada, 3, 1, 100)]
    story = "Units 1 and 2 have results, Ada holds unit 3. The round is closed. Then Ada submits."
    return differ(story, answers, ["closed", "late"]) or holds(story, watcher, results=_BOTH)


# ----------------------------------------------------------------------------------------------------- close


def _too_few(ada: DatabaseSession, bob: DatabaseSession, watcher: DatabaseSession) -> str:
    take(ada)
    submit(ada, 1, 1, 1)
    story = "The quorum is 2, and one result is stored. The coordinator closes."
    return differ(story, [close(bob)], ["waiting"]) or holds(
        story, watcher, status="open, quorum 2", units="1 done, 2 todo, 3 todo", versions="0: 0"
    )


def _closed(ada: DatabaseSession, bob: DatabaseSession, watcher: DatabaseSession) -> str:
    work(ada, bob)
    story = "Two results are stored, 1 and 4: the quorum. The coordinator closes."
    return differ(story, [close(bob)], ["closed"]) or holds(
        story, watcher, results=_BOTH, versions="0: 0, 1: 2.5", units="1 done, 2 done, 3 cancelled", status=_SHUT
    )


def _next_round(ada: DatabaseSession, bob: DatabaseSession, watcher: DatabaseSession) -> str:
    work(ada, bob)
    close(bob)
    story = "Round 0 is closed with 1 and 4."
    if problem := holds(story, watcher, 1, status="open, quorum 2", units="1 todo, 2 todo, 3 todo", results="none"):
        return problem
    got = take(ada)
    if got != (1, 1, 1):
        return f"{story} Then Ada claims. Expected {shown((1, 1, 1))}; got {shown(got)}."
    take(bob)
    answers = [submit(ada, 1, 1, 10, 1), submit(bob, 2, 1, 20, 1), close(bob, 1)]
    story += " In round 1, Ada and Bob submit 10 and 20, and it is closed."
    return differ(story, answers, ["stored", "stored", "closed"]) or holds(
        story, watcher, versions="0: 0, 1: 2.5, 2: 15"
    )


def _again(ada: DatabaseSession, bob: DatabaseSession, watcher: DatabaseSession) -> str:
    work(ada, bob)
    story = "A round with its quorum is closed, and closed again: the coordinator did not receive the first answer."
    return differ(story, [close(bob), close(bob)], ["closed", "closed before"]) or holds(
        story, watcher, versions="0: 0, 1: 2.5"
    )


def _two_coordinators(ada: DatabaseSession, bob: DatabaseSession, watcher: DatabaseSession) -> str:
    work(ada, bob)
    first = ada.call("close", 0)[0][0]
    second = Later(bob, watcher, "close", 0)
    ada.commit()
    story = "Ada closes the round. Before her COMMIT, Bob closes it, too."
    why = "Lock the round's row (FOR UPDATE) before you look at it: then Bob waits, and sees that the round is closed."
    try:
        answers = [first, second.rows()[0][0]]
    except LearnersError as error:  # for example, both insert the next round
        return f"{story}\n{error}\n{why}"
    bob.commit()
    return differ(story, answers, ["closed", "closed before"], why) or holds(story, watcher, versions="0: 0, 1: 2.5")


def _undone_close(ada: DatabaseSession, bob: DatabaseSession, watcher: DatabaseSession) -> str:
    work(ada, bob)
    ada.call("close", 0)
    ada.rollback()
    take(bob)
    answers = [submit(bob, 3, 1, 7), close(bob)]
    story = "A coordinator crashes before its COMMIT. Then unit 3 is submitted, with 7, and the round is closed."
    return differ(story, answers, ["stored", "closed"]) or holds(story, watcher, versions="0: 0, 1: 4")


# ------------------------------------------------------------------------------------------ submit and close


def _submit_first(ada: DatabaseSession, bob: DatabaseSession, watcher: DatabaseSession) -> str:
    work(ada, bob)
    take(ada)
    first = ada.call("submit", 0, 3, 1, 7)[0][0]
    second = Later(bob, watcher, "close", 0)
    ada.commit()
    answers = [first, second.rows()[0][0]]
    bob.commit()
    story = "Results 1 and 4 are stored. Ada submits 7. Before her COMMIT, the round is closed."
    why = (
        "Her result was answered with 'stored', but it is not in the version: it is lost. submit() must keep a lock of "
        "the round's\nrow until its COMMIT (FOR SHARE), so that close(), which locks it FOR UPDATE, waits for it."
    )
    return differ(story, answers, ["stored", "closed"]) or holds(
        story, watcher, results=f"{_BOTH}, unit 3 attempt 1: 7 accepted", versions="0: 0, 1: 4", why=why
    )


def _close_first(ada: DatabaseSession, bob: DatabaseSession, watcher: DatabaseSession) -> str:
    work(ada, bob)
    take(ada)
    first = bob.call("close", 0)[0][0]
    second = Later(ada, watcher, "submit", 0, 3, 1, 7)
    bob.commit()
    answers = [first, second.rows()[0][0]]
    ada.commit()
    story = "Results 1 and 4 are stored, Ada holds unit 3. The round is closed. Before that COMMIT, Ada submits 7."
    why = "submit() must lock the round's row (FOR SHARE) when it reads it: then it waits, and sees the closed round."
    return differ(story, answers, ["closed", "late"], why) or holds(story, watcher, results=_BOTH, why=why)


_BOTH, _SHUT = "unit 1 attempt 1: 1 accepted, unit 2 attempt 1: 4 accepted", "closed, quorum 2"
SCENARIOS: dict[str, Scenario] = {
    "claim: two workers at once get two units without waiting": _two_claims,
    "claim: after a rollback the unit is free again": _undone_claim,
    "claim: without free units there is no row": _nothing_left,
    "submit: a result is stored once": _one_submit,
    "submit: a sleeper's result is stale": _sleeper,
    "submit: a sleeper wakes while its unit is handed out again": _race,
    "submit: the same result twice at the same moment": _twice_at_once,
    "submit: two units at once do not wait for each other": _side_by_side,
    "submit: after the end of the round it is late": _late,
    "close: with fewer results than the quorum nothing changes": _too_few,
    "close: the version is the mean of the accepted results": _closed,
    "close: the next round is open": _next_round,
    "close: a second time changes nothing": _again,
    "close: two coordinators at the same moment": _two_coordinators,
    "close: after a crash the round is open": _undone_close,
    "submit, then close: the result is in the version": _submit_first,
    "close, then submit: the result is late": _close_first,
}
