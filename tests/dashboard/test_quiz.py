"""What the class predicted becomes a quiz and its answers, in files that a restart does not lose."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from ganns.cli.app import app
from ganns.dashboard.lab import quiz
from ganns.dashboard.lab.votes import LOSSES, WAITS
from ganns.db.address import Address
from ganns.errors import ConfigError
from tests.dashboard.ballots import killed
from tests.dashboard.browsing import PASSWORD, instructing, visiting
from tests.dashboard.conftest import serving

QUESTION = (
    "Kill a third. kill -9, as if their machines lost power. They close no connection and send no message. Each round "
    "waited for 4 of 4 results, from 3 workers. Killed lab-2."
)
WHY = """\
   - After 15.2 s, unit 4 of round 31 went to other workers: the last heartbeat of its worker was 15 s old.
   - 1 result came after the round had closed: credited as effort, and not applied.
   - 9 rounds closed, each with its whole quorum: no accepted result was lost.
   - The longest wait for a version was 17.4 s; in the 40 s before, it was 1.2 s.
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GANNS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_a_vote_is_two_questions_with_choices_and_two_answers_with_reasons(home: Path) -> None:
    assert quiz.days() == []
    path = quiz.keep(killed())
    assert path.parent == home / "lab" / "votes"
    [day] = quiz.days()
    choices = [
        "".join(f"   - {letter}) {choice}\n" for letter, choice in zip("abcde", labels, strict=False))
        for labels in (WAITS, LOSSES)
    ]
    assert quiz.quiz_of(day) == (
        f"# Quiz: what the class predicted, {day}\n\n"
        "Choose one answer for each question, and give the reason in one sentence.\n\n"
        "## After the lesson\n\n"
        f"1. {QUESTION} How long was the longest wait for a new version in the next 40 s?\n{choices[0]}\n"
        f"2. {QUESTION} What was lost?\n{choices[1]}"
    )
    assert quiz.answers_of(day) == (
        f"# Answers: what the class predicted, {day}\n\n**After**\n\n"
        f"1. d) 15 to 30 s. The class voted: a) 2, b) 0, c) 0, d) 1, e) 0.\n{WHY}\n"
        f"2. b) {LOSSES[1]}. The class voted: a) 2, b) 1, c) 0.\n{WHY}"
    )


def test_a_course_gets_a_quiz_for_each_day_and_keeps_what_the_instructor_wrote(home: Path, tmp_path: Path) -> None:
    course = tmp_path / "my-course"

    def type_it() -> str:
        return CliRunner().invoke(app, ["course", "quiz", str(course)]).output

    with pytest.raises(ConfigError, match="ganns course init"):
        quiz.write_quizzes(course)
    CliRunner().invoke(app, ["course", "init", str(course)])
    with pytest.raises(ConfigError, match="--failure-lab"):
        quiz.write_quizzes(course)
    path = quiz.keep(killed())
    path.rename(path.with_name("2026-10-01" + path.name[10:]))
    first, second = course / "quizzes/lab-2026-10-01.md", course / "instructor/lab-2026-10-01.md"
    assert type_it().split() == [str(first), str(second)]
    assert "17.4 s" in second.read_text()
    first.write_text("changed")
    day = quiz.keep(killed()).name[:10]
    assert type_it().split() == [str(course / f"quizzes/lab-{day}.md"), str(course / f"instructor/lab-{day}.md")]
    assert first.read_text() == "changed"
    assert "has the quizzes of all days already" in type_it()


def test_instructors_download_both_pages(home: Path, tmp_path: Path, empty_database: Address) -> None:
    variables = {"GANNS_DASHBOARD_PASSWORD": PASSWORD, "GANNS_HOME": str(home)}
    with (
        serving(empty_database, tmp_path, "--failure-lab", **variables) as site,
        visiting(site.url) as stranger,
        instructing(site.url) as instructor,
    ):
        assert instructor.get("/lab/state").json()["quiz"] == ""
        day = quiz.keep(killed()).name[:10]
        assert instructor.get("/lab/state").json()["quiz"] == day
        for page, words in (("questions", "## After the lesson"), ("answers", "The class voted: a) 2")):
            assert stranger.get(f"/lab/quiz/{day}/{page}.md").status_code == 401
            answer = instructor.get(f"/lab/quiz/{day}/{page}.md")
            assert words in answer.text
            assert answer.headers["content-type"] == "text/markdown; charset=utf-8"
            assert f'filename="lab-{day}-{page}.md"' in answer.headers["content-disposition"]
        for path, status_code in (("1999-01-01/answers", 404), ("x/answers", 422), (f"{day}/votes", 422)):
            assert instructor.get(f"/lab/quiz/{path}.md").status_code == status_code
