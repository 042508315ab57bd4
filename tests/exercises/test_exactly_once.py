"""Exercise 3, with two real sessions: the broken claim hands a job out twice, and so on, each time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ganns.db.address import Address
from ganns.exercises.checks import exactly_once
from ganns.exercises.checks.exactly_once import check
from ganns.exercises.learner import LearnersError
from ganns.exercises.report import Report
from tests.exercises.pupil import Mutant, solved, starter, wrong

Check = Callable[[Path], Report]

TWO, UNDONE, NOTHING = (
    "claim: two workers at once get two jobs without waiting",
    "claim: after a rollback the job is free again",
    "claim: without free jobs there is no row",
)
ONCE, SLEEPER, RACE, TWICE = (
    "submit: a result is stored once",
    "submit: a sleeper's result is stale",
    "submit: a sleeper wakes while its job is handed out again",
    "submit: the same result twice at the same moment",
)


@pytest.fixture
def checked(database: Address) -> Check:
    def run(file: Path) -> Report:
        report = Report()
        check(file, report, database)
        return report

    return run


def test_the_solution_passes(checked: Check, tmp_path: Path) -> None:
    report = checked(solved(3, tmp_path))
    assert wrong(report) == {}
    assert [result.title for result in report.results] == [TWO, UNDONE, NOTHING, ONCE, SLEEPER, RACE, TWICE]


def test_the_starter_hands_a_job_out_twice_and_stores_everything(checked: Check, tmp_path: Path) -> None:
    found = wrong(checked(starter(3, tmp_path)))
    assert set(found) == {TWO, ONCE, SLEEPER, RACE, TWICE}
    assert "got job 1, attempt 2: both hold job 1" in found[TWO]
    assert "got 'stored' and 2 rows (attempt 1: 'a', attempt 1: 'a')" in found[ONCE]
    assert "got 'stored' and 1 row (attempt 1: 'from ada')" in found[SLEEPER]


LOOK_THEN_WRITE = """
    IF NOT EXISTS (SELECT FROM exercise.jobs WHERE id = job_id AND attempts = attempt_no AND status <> 'todo') THEN
        RETURN 'stale';
    END IF;
    IF EXISTS (SELECT FROM exercise.results r WHERE r.job = job_id AND r.attempt = attempt_no) THEN
        RETURN 'duplicate';
    END IF;
    INSERT INTO exercise.results (job, attempt, value) VALUES (job_id, attempt_no, result);
    UPDATE exercise.jobs SET status = 'done' WHERE id = job_id;
    RETURN 'stored';
END
$$;
"""


def test_mistakes_are_told_apart(checked: Check, tmp_path: Path) -> None:
    found = wrong(checked(solved(3, tmp_path, ("FOR UPDATE SKIP LOCKED", "FOR UPDATE"))))
    assert set(found) == {TWO}
    assert "but he had to wait for Ada" in found[TWO]

    looked = (
        ("        FOR UPDATE SKIP LOCKED\n", ""),
        ("jobs.id = chosen.id", "jobs.id = chosen.id AND jobs.status = 'todo'"),
    )
    found = wrong(checked(solved(3, tmp_path, *looked)))
    assert set(found) == {TWO}
    assert "got no row, though jobs 2 and 3" in found[TWO]

    found = wrong(checked(solved(3, tmp_path, (" AND status = 'doing'", ""))))
    assert set(found) == {ONCE, TWICE}
    assert "Expected 'duplicate' and one row; got 'stored' and 2 rows" in found[ONCE]

    found = wrong(checked(solved(3, tmp_path, (" AND attempts = attempt_no", ""))))
    assert set(found) == {SLEEPER, RACE}

    file = solved(3, tmp_path)
    head, _, _ = file.read_text().partition("    UPDATE exercise.jobs SET status = 'done'")
    file.write_text(head + LOOK_THEN_WRITE)
    found = wrong(checked(file))
    assert set(found) == {RACE, TWICE}
    assert "Looking and writing were two steps" in found[RACE]


FENCE = "    WHERE id = job_id AND attempts = attempt_no AND status = 'doing';\n"
MUTANTS: dict[str, Mutant] = {
    "without a lock": ({"        FOR UPDATE SKIP LOCKED\n": ""}, TWO, "both hold job 1"),
    "the last job first": ({"ORDER BY id": "ORDER BY id DESC"}, TWO, "Expected job 1, attempt 1; got job 3, attempt 1"),
    "attempts are not counted": ({"attempts = attempts + 1": "attempts = 1"}, RACE, "Expected attempt 2"),
    "the first attempt is 0": (
        {"RETURNING jobs.id, jobs.attempts": "RETURNING jobs.id, jobs.attempts - 1"},
        TWO,
        "attempt 0",
    ),
    "still to do": ({"SET status = 'doing', attempts": "SET attempts"}, NOTHING, "Expected 1, 2, 3, no row"),
    "all jobs at once": ({"        LIMIT 1\n": ""}, TWO, "should return one row, but returned 3"),
    "no result": ({"VALUES (job_id, attempt_no, result)": "SELECT 0, 0, '' WHERE false"}, ONCE, "'stored' and no row"),
    "no duplicates": ({"RETURN 'duplicate'": "RETURN 'stale'"}, ONCE, "Expected 'duplicate' and one row; got 'stale'"),
    "nothing is stale": ({"RETURN 'stale'": "RETURN 'duplicate'"}, SLEEPER, "Expected the answer 'stale' and no row"),
    "the job is not done": ({"SET status = 'done'": "SET status = 'doing'"}, ONCE, "got 'stored' and 2 rows"),
    "the newest attempt's name": (
        {"VALUES (job_id, attempt_no, result)": "VALUES (job_id, 7, result)"},
        ONCE,
        "attempt 7: 'a'",
    ),
    "any attempt": (
        {" AND attempts = attempt_no AND": " AND"},
        SLEEPER,
        "Only the attempt that holds the job may submit",
    ),
    "done twice": (
        {FENCE: FENCE.replace(" AND status = 'doing'", "")},
        TWICE,
        "must wait for the COMMIT of the first one",
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_answer_is_refused_with_the_reason(
    name: str, address: Address, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the scenario in question is played: each makes its tables anew, which takes time."""
    changes, title, said = MUTANTS[name]
    monkeypatch.setattr(exactly_once, "SCENARIOS", {title: exactly_once.SCENARIOS[title]})
    report = Report()
    check(solved(3, tmp_path, *changes.items()), report, address)
    assert said in wrong(report)[title]


def test_what_the_server_says_is_passed_on(checked: Check, tmp_path: Path) -> None:
    found = wrong(checked(solved(3, tmp_path, ("ORDER BY id", "ORDER BI id"))))
    assert found[TWO].startswith("The server refuses line 10 of exactly_once.sql.\nsyntax error at or near")

    found = wrong(checked(solved(3, tmp_path, ("    RETURN 'stale';", "    RETURN 1 / 0;"))))
    assert "exercise.submit() stopped with an error.\ndivision by zero" in found[SLEEPER]

    found = wrong(checked(solved(3, tmp_path, ("exercise.submit", "exercise.send"))))
    assert "function exercise.submit(smallint, smallint, unknown) does not exist" in found[ONCE]


def test_an_empty_file_and_one_that_is_no_text(checked: Check, tmp_path: Path) -> None:
    file = tmp_path / "exactly_once.sql"
    file.write_text(" \n")
    with pytest.raises(LearnersError, match="is empty"):
        checked(file)
    file.write_bytes(b"\xff\xfe")
    assert "cannot be read" in wrong(checked(file))[TWO]


def test_sql_that_never_ends_is_ended(checked: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ganns.exercises.sessions.STATEMENT_S", 1)
    found = wrong(checked(solved(3, tmp_path, ("        RETURN 'duplicate';", "        LOOP END LOOP;"))))
    assert "It had not ended after 1 s" in found[ONCE]
