"""The interface between the coordinator and the observers of a run: the terminal, the demo, a test."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from ganns.training.state import TrainingState


@dataclass(frozen=True)
class RoundReport:
    """One closed round. `version` is its result; times are in seconds."""

    run_id: int
    version: int
    images: int  # accepted since the run's start
    seconds: float  # of training since the run's start
    metrics: dict[str, float]
    timings: dict[str, float] = field(default_factory=dict)
    num_results: int = 0
    num_alive: int | None = None  # workers with a recent heartbeat; None: a run without workers
    num_images: int = 0  # of an epoch


class Observer(Protocol):
    """Watches a run. Its methods are called between transactions and should return quickly."""

    def started(self, run_id: int, state: TrainingState) -> None:
        """Take note that the run is open, at the version of `state`."""

    def round_closed(self, report: RoundReport, state: TrainingState) -> None:
        """Take note of a closed round; `state` is the new version (do not keep it: it will change)."""

    def evaluated(self, version: int, metrics: dict[str, float]) -> None:
        """Take note of an evaluation; its version may be some rounds old. Called on another thread."""

    def say(self, text: str) -> None:
        """Show a message to the user, for instance that the run waits for workers."""


class Quiet(Observer):
    """An observer that does nothing; a base class for observers that need only some of the calls."""
