"""The list of exercises, and the places of their files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ganns.errors import ConfigError
from ganns.paths import exercise_dir


@dataclass(frozen=True)
class Exercise:
    """One exercise. Its page is `docs/exercises/<page>.md`, its check `ganns.exercises.checks.<name>`."""

    number: int
    name: str
    title: str
    page: str
    file: str  # the learner completes it; the reference solution has the same name
    others: tuple[str, ...] = ()  # further files for the learner
    also_solved: tuple[str, ...] = ()  # further files of the solution
    needs_database: bool = False
    time_limit_s: float = 120.0  # generous, for a busy machine

    @property
    def starters(self) -> list[Path]:
        """The learner's starter files; the first one is to be completed."""
        return [exercise_dir("starters") / name for name in (self.file, *self.others)]

    @property
    def solution(self) -> list[Path]:
        """The files of the reference solution."""
        return [exercise_dir("solutions") / name for name in (self.file, *self.also_solved)]


EXERCISES = (
    Exercise(1, "weighted_mean", "The image-weighted mean", "1-weighted-mean", "weighted_mean.py"),
    Exercise(2, "batchnorm_bug", "The BatchNorm bug", "2-batchnorm-bug", "batchnorm_bug.py"),
    Exercise(
        3,
        "exactly_once",
        "Exactly once",
        "3-exactly-once",
        "exactly_once.sql",
        others=("exactly_once_tables.sql", "exactly_once_claims.sql", "exactly_once_sleeper.sql"),
        needs_database=True,
    ),
    Exercise(4, "wild_gradient", "One wild gradient", "4-wild-gradient", "wild_gradient.py", time_limit_s=300.0),
    Exercise(
        5,
        "scaling",
        "Measure scaling",
        "5-scaling",
        "scaling.py",
        others=("scaling.csv",),
        also_solved=("scaling.csv",),
    ),
    Exercise(
        6,
        "one_round",
        "One round",
        "6-one-round",
        "one_round.sql",
        others=("one_round_tables.sql", "one_round_close.sql"),
        needs_database=True,
    ),
    Exercise(7, "local_steps", "Local steps", "7-local-steps", "local_steps.py"),
    Exercise(8, "collapse", "Mode collapse", "8-collapse", "collapse.py"),
    Exercise(9, "staleness", "Old gradients", "9-staleness", "staleness.py"),
    Exercise(10, "poisoning", "Poisoned gradients", "10-poisoning", "poisoning.py"),
)


def find(number: int) -> Exercise:
    """Return the exercise with that number.

    Raises:
        ConfigError: if there is none.
    """
    for exercise in EXERCISES:
        if exercise.number == number:
            return exercise
    raise ConfigError(
        f"There is no exercise {number}: choose one from 1 to {EXERCISES[-1].number}; `ganns exercise list` shows them."
    )
