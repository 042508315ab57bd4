"""What the coordinator tells whoever watches: the terminal, the demo, a test."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from ganns.training.state import TrainingState


@dataclass(frozen=True)
class RoundReport:
    """One closed round. `version` is the one that it made; times are in seconds."""

    run_id: int
    version: int
    images: int  # accepted since the run's start
    seconds: float  # of training since the run's start
    metrics: dict[str, float]
    timings: dict[str, float] = field(default_factory=dict)
    num_results: int = 0
    num_alive: int | None = None  # workers with a recent heartbeat, as of the last second or so; None: no workers
    num_images: int = 0  # of an epoch


class Observer(Protocol):
    """Something that watches a run. Its methods are called between transactions and should return quickly."""

    def started(self, run_id: int, state: TrainingState) -> None:
        """The run is open at `state`'s version."""

    def round_closed(self, report: RoundReport, state: TrainingState) -> None:
        """A round was closed; `state` is the new version (do not keep it: it goes on changing)."""

    def evaluated(self, version: int, metrics: dict[str, float]) -> None:
        """A version was evaluated; it may be some rounds old. Called on another thread than the rest."""

    def say(self, text: str) -> None:
        """Something that a person should know, such as waiting for workers."""


class Quiet:
    """An observer that watches nothing; a base for those that want only some of the calls."""

    def started(self, run_id: int, state: TrainingState) -> None:
        """Do nothing."""

    def round_closed(self, report: RoundReport, state: TrainingState) -> None:
        """Do nothing."""

    def evaluated(self, version: int, metrics: dict[str, float]) -> None:
        """Do nothing."""

    def say(self, text: str) -> None:
        """Do nothing."""
