"""Votes that ended, as questions of a quiz: with the choices, the votes, what was observed, and why.

Each vote is a file below `$GANNS_HOME/lab/votes`, so its questions are there after a restart. The votes of one day are
those of a lesson: they become one quiz and one page of answers, in Markdown as in `docs/course/quizzes`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ganns import paths
from ganns.dashboard.lab.harms import HARMS
from ganns.dashboard.lab.votes import LOSSES, WAITS, Ballot
from ganns.errors import ConfigError
from ganns.utils.atomic import write_text

DAY = "%Y-%m-%d"
LETTERS = "abcde"


@dataclass(frozen=True)
class Question:
    """A question with one right answer. It can be read alone: it names nothing that is only in the program."""

    text: str
    choices: Sequence[str]
    votes: Sequence[int]
    """Of the class, for each choice, before it happened."""
    answer: int
    """Which choice was observed."""
    why: Sequence[str]
    """Say in sentences how it came, from the run's own rounds and events."""


def questions(ballot: Ballot) -> list[Question]:
    """Return the two questions of a vote whose outcome is known."""
    found = ballot.outcome
    assert found is not None
    happened = f"{ballot.title}. {HARMS[ballot.harm].text} {ballot.setting} {ballot.said}"
    waits, losses = ballot.counts()
    wait = f"{happened} How long was the longest wait for a new version in the next {found['window_s']:.0f} s?"
    return [
        Question(wait, WAITS, waits, found["wait"], found["why"]),
        Question(f"{happened} What was lost?", LOSSES, losses, found["lost"], found["why"]),
    ]


def keep(ballot: Ballot) -> Path:
    """Write the questions of a vote whose outcome is known to a file of their own, and return it.

    Raises:
        OSError: the file cannot be written.
    """
    name = time.strftime(f"{DAY}-%H%M%S") + f"-run-{ballot.run}-{ballot.harm}.json"
    path = _folder() / name
    write_text(path, json.dumps([asdict(one) for one in questions(ballot)], indent=1) + "\n")
    return path


def days() -> list[str]:
    """Return the days that have questions, as 2026-11-27, the newest last."""
    return sorted({path.name[:10] for path in _folder().glob("*.json")})


def quiz_of(day: str) -> str:
    """Return the quiz of a day: questions and choices, for the class."""
    parts = [
        f"# Quiz: what the class predicted, {day}",
        "Choose one answer for each question, and give the reason in one sentence.",
        "## After the lesson",
    ]
    for number, one in enumerate(_questions(day), 1):
        choices = [f"   - {letter}) {choice}" for letter, choice in zip(LETTERS, one.choices, strict=False)]
        parts.append("\n".join([f"{number}. {one.text}", *choices]))
    return "\n\n".join(parts) + "\n"


def answers_of(day: str) -> str:
    """Return the answers of a day, for the instructor: what was observed, how the class voted, and why it was so."""
    parts = [f"# Answers: what the class predicted, {day}", "**After**"]
    for number, one in enumerate(_questions(day), 1):
        votes = ", ".join(f"{letter}) {num}" for letter, num in zip(LETTERS, one.votes, strict=False))
        right = f"{number}. {LETTERS[one.answer]}) {one.choices[one.answer]}."
        parts.append("\n".join([f"{right} The class voted: {votes}.", *(f"   - {sentence}" for sentence in one.why)]))
    return "\n\n".join(parts) + "\n"


def write_quizzes(folder: Path) -> list[Path]:
    """Write a quiz and its answers for each day into a copy of the course; return the files that are new.

    A file that is there is never overwritten.

    Raises:
        ConfigError: the folder is no copy of the course, or there are no questions.
    """
    if not (folder / "quizzes").is_dir():
        raise ConfigError(f"{folder} has no quizzes: type `ganns course init {folder}` first.")
    known = days()
    if not known:
        raise ConfigError(
            f"{_folder()} has no votes: ask the class in the failure lab of `ganns dashboard --failure-lab` on this "
            "machine."
        )
    pages = {folder / "quizzes" / f"lab-{day}.md": quiz_of(day) for day in known}
    pages |= {folder / "instructor" / f"lab-{day}.md": answers_of(day) for day in known}
    new = {path: text for path, text in pages.items() if not path.exists()}
    for path, text in new.items():
        write_text(path, text)
    return list(new)


def _folder() -> Path:
    return paths.home() / "lab" / "votes"


def _questions(day: str) -> list[Question]:
    found = []
    for path in sorted(_folder().glob(f"{day}-*.json")):
        found += [Question(**one) for one in json.loads(path.read_text("utf-8"))]
    return found
