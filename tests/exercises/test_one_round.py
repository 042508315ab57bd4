"""Exercise 6, with two real sessions: the solution keeps all promises, and each mutant breaks one, each time."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganns.db.address import Address
from ganns.exercises.checks import one_round
from ganns.exercises.checks.one_round import SCENARIOS, check
from ganns.exercises.report import Report
from tests.exercises.pupil import Mutant, solved, starter, wrong


def checked(file: Path, address: Address) -> Report:
    report = Report()
    check(file, report, address)
    return report


TWO, LEFT = "claim: two workers at once", "claim: without free units"
ONCE, SLEEPER, RACE = "submit: a result is stored once", "submit: a sleeper's result", "submit: a sleeper wakes"
TWICE, BESIDE, LATE = "submit: the same result twice", "submit: two units at once", "submit: after the end"
FEW, CLOSED, NEXT, AGAIN = "close: with fewer", "close: the version", "close: the next round", "close: a second time"
BOTH, SUBMIT_FIRST, CLOSE_FIRST = "close: two coordinators", "submit, then close", "close, then submit"
FENCE = "WHERE round = round_no AND unit = unit_no AND attempts = attempt_no AND status = 'doing';"
LOOK = """    PERFORM FROM exercise.units
    WHERE round = round_no AND unit = unit_no AND attempts = attempt_no AND status = 'doing';
    IF NOT FOUND THEN
        RETURN 'stale';
    END IF;
    UPDATE exercise.units SET status = 'done' WHERE round = round_no AND unit = unit_no;
"""
MUTANTS: dict[str, Mutant] = {
    "claim waits": ({"FOR UPDATE SKIP LOCKED": "FOR UPDATE"}, TWO, "which is right, but he had to wait for her"),
    "claim without a lock": ({"        FOR UPDATE SKIP LOCKED\n": ""}, TWO, "Both hold the same unit"),
    "the last unit first": ({"ORDER BY round, unit": "ORDER BY round, unit DESC"}, TWO, "got unit 3 of round 0"),
    "still to do": ({"SET status = 'doing', attempts": "SET attempts"}, LEFT, "Expected units 1, 2, 3, and no row"),
    "attempts are not counted": (
        {"attempts = attempts + 1": "attempts = 1"},
        SLEEPER,
        "Expected unit 1 of round 0, attempt 2",
    ),
    "all units at once": ({"        LIMIT 1\n": ""}, TWO, "should return one row, but returned 3"),
    "no fence": ({" AND attempts = attempt_no AND status": " AND status"}, SLEEPER, "Only the attempt that holds"),
    "done twice": ({FENCE: FENCE.replace(" AND status = 'doing'", "")}, ONCE, "got 'stored', 'stored'"),
    "no duplicates": ({"RETURN 'duplicate'": "RETURN 'stale'"}, ONCE, "got 'stored', 'stale'"),
    "the unit is not done": ({"SET status = 'done'": "SET status = 'doing'"}, ONCE, "got 'stored', 'stored'"),
    "no result": (
        {"VALUES (round_no, unit_no, attempt_no, result);": "SELECT 0, 0, 0, 0 WHERE false;"},
        ONCE,
        "got 'stored', 'stale'",
    ),
    "look, then write": (
        {f"    UPDATE exercise.units SET status = 'done'\n    {FENCE}\n": LOOK},
        RACE,
        "were two steps",
    ),
    "look, then write, twice": (
        {f"    UPDATE exercise.units SET status = 'done'\n    {FENCE}\n": LOOK},
        TWICE,
        "must wait for the COMMIT of the first one",
    ),
    "submits exclude each other": ({"FOR SHARE;": "FOR UPDATE;"}, BESIDE, "Of a hundred workers"),
    "submit looks at no round": (
        {"status = 'open' FOR SHARE": "true FOR SHARE"},
        LATE,
        "'closed', 'late'; got 'closed', ",
    ),
    "no FOR SHARE, submit first": ({" FOR SHARE;": ";"}, SUBMIT_FIRST, "it is lost"),
    "no FOR SHARE, close first": ({" FOR SHARE;": ";"}, CLOSE_FIRST, "then it waits, and sees the closed round"),
    "no quorum": ({"< needed": "< 1"}, FEW, "Expected 'waiting'; got 'closed'"),
    "one more than the quorum": ({"< needed": "<= needed"}, CLOSED, "Expected 'closed'; got 'waiting'"),
    "the sum": ({"avg(value)": "sum(value)"}, CLOSED, "The versions: expected 0: 0, 1: 2.5; got 0: 0, 1: 5"),
    "nothing is accepted": (
        {"    UPDATE exercise.results SET accepted = true WHERE round = round_no;\n": ""},
        CLOSED,
        "The results of round 0: expected unit 1 attempt 1: 1 accepted",
    ),
    "left-over units stay": (
        {"    UPDATE exercise.units SET status = 'cancelled' WHERE round = round_no AND status <> 'done';\n": ""},
        CLOSED,
        "got 1 done, 2 done, 3 todo",
    ),
    "everything is cancelled": ({" AND status <> 'done'": ""}, CLOSED, "got 1 cancelled, 2 cancelled, 3 cancelled"),
    "still open": ({"SET status = 'closed'": "SET status = 'open'"}, CLOSED, "expected closed, quorum 2; got open"),
    "the results of all rounds": (
        {"avg(value) FROM exercise.results WHERE round = round_no": "avg(value) FROM exercise.results"},
        NEXT,
        "expected 0: 0, 1: 2.5, 2: 15; got 0: 0, 1: 2.5, 2: 8.75",
    ),
    "no next round": (
        {"    INSERT INTO exercise.rounds (number, quorum) VALUES (round_no + 1, needed);\n": "    RETURN 'closed';\n"},
        NEXT,
        "The status of round 1: expected open, quorum 2; got missing",
    ),
    "a next round without units": (
        {"SELECT round_no + 1, unit FROM exercise.units WHERE round = round_no;": "SELECT 1, 1 WHERE false;"},
        NEXT,
        "The units of round 1: expected 1 todo, 2 todo, 3 todo; got none",
    ),
    "only units without a result": (
        {
            "SELECT round_no + 1, unit FROM exercise.units WHERE round = round_no;": (
                "SELECT round_no + 1, unit FROM exercise.units WHERE round = round_no AND status <> 'done';"
            )
        },
        NEXT,
        "got 3 todo",
    ),
    "closed twice": (
        {"RETURN 'closed before'": "RETURN 'closed'"},
        AGAIN,
        "Expected 'closed', 'closed before'; got 'closed', 'closed'",
    ),
    "close without a lock": (
        {"status = 'open' FOR UPDATE": "status = 'open'"},
        BOTH,
        "Lock the round's row (FOR UPDATE)",
    ),
    "close shares its lock": ({"FOR UPDATE;": "FOR SHARE;"}, SUBMIT_FIRST, "it is lost"),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_answer_is_refused_with_the_reason(
    name: str, address: Address, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the scenario in question is played: each makes its tables anew, which takes time."""
    changes, title, said = MUTANTS[name]
    [played] = [one for one in SCENARIOS if one.startswith(title)]
    monkeypatch.setattr(one_round, "SCENARIOS", {played: SCENARIOS[played]})
    found = wrong(checked(solved(6, tmp_path, *changes.items()), address))
    assert said in found[played]


def test_the_solution_passes(address: Address, tmp_path: Path) -> None:
    report = checked(solved(6, tmp_path), address)
    assert wrong(report) == {}
    assert [result.title for result in report.results] == [*SCENARIOS]


def test_the_starter_is_still_to_be_written(address: Address, tmp_path: Path) -> None:
    found = wrong(checked(starter(6, tmp_path), address))
    assert set(found) == set(SCENARIOS)
    first, *others = found.values()
    assert "exercise.claim() is still to be written" in first
    assert set(others) == {"The same as above."}
