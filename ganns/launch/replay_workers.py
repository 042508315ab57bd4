"""Let the workers that are there compute the futures of a replay: `ganns replay 3@120 --workers`.

Each future is a run of its own (`ganns/coordinator/replay_run.py`), whose coordinator is a thread of this process. It
waits after each round until the comparison has looked at the version; the workers compute the next round meanwhile.
"""

from __future__ import annotations

import queue
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from ganns import paths
from ganns.comparison.replay import Future
from ganns.config import Config
from ganns.coordinator import Quiet, RoundReport, create_replay, train_replay
from ganns.coordinator.rollback import WENT_BACK_TO
from ganns.data import ImageSet
from ganns.db.address import Address
from ganns.db.connect import Connection
from ganns.errors import Diverged, LeaseLost, RunError
from ganns.store import runs
from ganns.store.runs import Run
from ganns.training.round_settings import RecordedRound
from ganns.training.state import TrainingState


class Workers:
    """Begins futures of one run; leaving its `with` stops those that are not finished, and deletes their runs."""

    def __init__(
        self, address: Address, conn: Connection, source: Run, change: str, say: Callable[[str], None]
    ) -> None:
        """Begin without a future.

        Args:
            address: the database.
            conn: a connection to it.
            source: the run that is replayed.
            change: in words, for the names of the runs.
            say: is told what the coordinators have to say.
        """
        self._address, self._conn, self._source, self._change, self._say = address, conn, source, change, say
        self._begun: list[_Coordinator] = []

    def begin(self, config: Config, images: ImageSet, state: TrainingState, schedule: list[RecordedRound]) -> Future:
        """Return a future that workers compute; see `ganns.comparison.replay.Begin`.

        Raises:
            RunError: if a round has no unit, so that no worker could do anything for it.
        """
        version, source = state.progress.version, self._source
        if not all(one.slices for one in schedule):
            raise RunError("A round has no unit left, so there is nothing to do for workers: leave out --workers.")
        is_changed = bool(self._begun)  # the unchanged one is the first
        name = f"replay of {source.id}@{version}: {self._change if is_changed else 'nothing changed'}"
        run, config = create_replay(self._conn, name, source, config, state, len(schedule))
        self._say(f"the workers compute run {run.id}: {name}")
        rounds = {version + number: one for number, one in enumerate(schedule)}
        coordinator = _Coordinator(self._address, run, config, rounds, self._say)
        self._begun.append(coordinator)
        return coordinator.future(state, schedule)

    def __enter__(self) -> Workers:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        for one in self._begun:
            if not one.close():
                with suppress(LeaseLost), self._conn.transaction():  # it broke off, and still has its lease
                    runs.delete_run(self._conn, one.run.id)
                    shutil.rmtree(paths.home() / "state" / one.run.key, ignore_errors=True)


class _Coordinator(Quiet):
    """The coordinator of one future, on a thread, which stays at each version until it is asked for the next."""

    def __init__(
        self,
        address: Address,
        run: Run,
        config: Config,
        rounds: dict[int, RecordedRound],
        say: Callable[[str], None],
    ) -> None:
        self.run, self._say, self._version, self._is_finished = run, say, run.version, False
        self._stop, self._next, self._found = threading.Event(), threading.Semaphore(0), queue.Queue[Any]()

        def train() -> None:
            try:
                self._is_finished = train_replay(address, run, config, rounds, self, self._stop)
                self._found.put(None)
            except BaseException as error:
                self._found.put(error)

        self._thread = threading.Thread(target=train, name=f"replay {run.id}", daemon=True)

    def future(self, state: TrainingState, schedule: list[RecordedRound]) -> Future:
        """Start, and return the future."""
        self._thread.start()
        self._future = Future(state, schedule, self._versions())
        return self._future

    def _versions(self) -> Iterator[dict[str, float]]:
        """Yield the metrics of each round; the thread waits meanwhile, so the future's state does not change."""
        while (found := self._found.get()) is not None:
            if isinstance(found, BaseException):
                raise found
            self._future.state, metrics = found
            yield metrics
            self._next.release()

    def started(self, run_id: int, state: TrainingState) -> None:
        """Hand over a version that was published when the connection broke, so that no round was reported."""
        if state.progress.version > self._version:
            self._hand_over(state, {})

    def round_closed(self, report: RoundReport, state: TrainingState) -> None:
        """Hand over the version, unless the run went back: then the other run's rounds mean nothing here."""
        if WENT_BACK_TO in report.metrics:
            self._found.put(Diverged("its results were refused"))
            self._stop.set()
        else:
            self._hand_over(state, report.metrics)

    def _hand_over(self, state: TrainingState, metrics: dict[str, float]) -> None:
        """Let the comparison look at a version, and wait until the next is wanted."""
        self._version = state.progress.version
        self._found.put((state, {"round": self._version, "images": state.progress.images, **metrics}))
        self._next.acquire()

    def evaluated(self, version: int, metrics: dict[str, float]) -> None:
        """Do nothing: a replay is not evaluated."""

    def say(self, text: str) -> None:
        """Say what the coordinator says, with the run's number: there may be two."""
        self._say(f"run {self.run.id}: {text}")

    def close(self) -> bool:
        """Stop, and return whether the run is finished."""
        self._stop.set()
        self._next.release()
        self._thread.join()
        return self._is_finished
