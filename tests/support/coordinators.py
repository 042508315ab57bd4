"""Coordinators for the tests: in a thread, to be stopped; in a process, to be killed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from ganns.config import Config
from ganns.coordinator import Quiet, RoundReport, train_run
from ganns.db.address import Address
from ganns.training.state import TrainingState
from tests.support.fakes import FakeWorker


@dataclass
class Coordinator(Quiet):
    """`train_run` in a thread."""

    address: Address
    config: Config
    stop: threading.Event = field(default_factory=threading.Event)
    said: list[str] = field(default_factory=list)
    reports: list[RoundReport] = field(default_factory=list)
    run_id: int | None = None
    digest: str | None = None
    began: str | None = None  # the digest of the state that it began with
    began_at: int = 0  # the version of this state
    done: bool | None = None
    error: BaseException | None = None

    def __post_init__(self) -> None:
        """Start."""
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.run_id, self.done = train_run(self.config, self.address, self, self.stop)
        except BaseException as error:
            self.error = error

    def started(self, run_id: int, state: TrainingState) -> None:
        """Remember the run."""
        self.run_id = run_id
        self.began_at = state.progress.version
        self.digest = self.began = state.weights_digest()

    def round_closed(self, report: RoundReport, state: TrainingState) -> None:
        """Remember the report and the digest."""
        self.reports.append(report)
        self.digest = state.weights_digest()

    def say(self, text: str) -> None:
        """Remember what was said."""
        self.said.append(text)

    def join(self, timeout_s: float = 60) -> Coordinator:
        """Wait for the end and raise what the coordinator raised."""
        self.thread.join(timeout_s)
        assert not self.thread.is_alive(), f"the coordinator still runs; it said {self.said}"
        if self.error is not None:
            raise self.error
        return self


@pytest.fixture
def coordinate(database: Address) -> Iterator[Callable[[Config], Coordinator]]:
    """Return a function that starts a coordinator on the test's database; all are stopped afterwards."""
    started: list[Coordinator] = []

    def start(config: Config) -> Coordinator:
        started.append(Coordinator(database, config))
        return started[-1]

    yield start
    for one in started:
        one.stop.set()
        one.thread.join(60)


@pytest.fixture
def join(database: Address) -> Iterator[Callable[..., FakeWorker]]:
    """Return a function that makes a fake worker; all leave after the test."""
    joined: list[FakeWorker] = []

    def make(name: str = "fake") -> FakeWorker:
        joined.append(FakeWorker(database, name))
        return joined[-1]

    yield make
    for worker in joined:
        worker.conn.close()
