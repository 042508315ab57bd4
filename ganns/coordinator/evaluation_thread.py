"""Evaluate the run's versions, keep the best one, and warn when samples look alike.

It runs on a thread and a connection of its own, like the cleanup: a round never waits for it, and an error in an
evaluation does not end the training. There is one evaluation at a time: a version that is due meanwhile is left out.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import psycopg

from ganns.config import Config
from ganns.coordinator.connections import SIDE_LOCK_S, connect_own
from ganns.coordinator.evaluator import Evaluator, describe
from ganns.coordinator.observer import Observer
from ganns.coordinator.state_files import StateFiles
from ganns.coordinator.verdict import Verdict
from ganns.db.address import Address
from ganns.db.connect import Connection
from ganns.errors import DatabaseError, DataError, MissingExtra
from ganns.evaluation.health import SampleHealth
from ganns.evaluation.ranking import is_better
from ganns.store import evaluations, runs, weights
from ganns.training.serialization import unpack
from ganns.utils.background import Background

log = logging.getLogger(__name__)

CLOSE_S = 10.0
"""The time that an ending coordinator gives the thread to stop; after that the program's end waits for the thread."""
LAST_S = 120.0
"""The time that an ending run waits for the evaluation of its last version."""


class Evaluations:
    """Evaluates a version of a run every `evaluate.every` rounds, in the background."""

    def __init__(
        self,
        address: Address,
        run_id: int,
        generation: int,
        config: Config,
        files: StateFiles,
        observer: Observer,
        report: Callable[[Sequence[Verdict]], None] = lambda verdicts: None,
    ) -> None:
        """Start the thread, unless the run is not to be evaluated; it does nothing until `after_version` is called."""
        self._address, self._run_id, self._generation = address, run_id, generation
        self._config, self._files, self._observer = config, files, observer
        self._say, self._report = observer.say, report
        self._every = config.evaluate.every
        self._stopping, self._has_given_up = threading.Event(), False
        self._done: int | None = None  # the last evaluated version; None: not looked up yet
        self._health = SampleHealth()
        self._background: Background[Evaluator, tuple[int, bool]] | None = None
        if self._every:
            self._background = Background(
                "evaluation", self._connect, self._handle, (psycopg.Error, DatabaseError, OSError)
            )

    def after_version(self, version: int) -> None:
        """Take note that `version` was published."""
        if self._background is not None:
            self._background.put((version, False))

    def finish(self, version: int, should_stop: Callable[[], bool]) -> None:
        """Evaluate the last version too, if the run was long enough for an evaluation."""
        if self._background is None or version < self._every:
            return
        self._background.put((version, True))
        until = time.monotonic() + LAST_S
        while not should_stop() and time.monotonic() < until and not self._background.wait_idle(0.5):
            pass

    def close(self) -> None:
        """Stop, without finishing the evaluation that is going on."""
        self._stopping.set()
        if self._background is not None:
            self._background.close(CLOSE_S)

    @contextmanager
    def _connect(self) -> Iterator[Evaluator]:
        with connect_own(self._address, self._run_id, "evaluation", SIDE_LOCK_S) as conn:
            evaluations.forget_left_generators(conn, self._run_id, self._generation)
            yield Evaluator(conn, self._run_id, self._config, self._say, self._report)

    def _handle(self, evaluator: Evaluator, request: tuple[int, bool]) -> None:
        version, is_last = request
        if self._stopping.is_set() or self._has_given_up:
            return
        try:
            if self._is_due(evaluator.conn, version, is_last):
                self._evaluate(evaluator, version)
        except (DataError, MissingExtra) as error:
            self._say(f"this run is not evaluated any more: {error}")
            self._has_given_up = True
        except Exception as error:  # no error of an evaluation may end the training
            log.debug("an evaluation failed", exc_info=True)
            if self._stopping.is_set():
                return
            self._say(f"the evaluation of version {version} failed ({type(error).__name__}: {error})")
            if isinstance(error, psycopg.Error):
                raise  # the next evaluation gets a new connection

    def _is_due(self, conn: Connection, version: int, last: bool) -> bool:
        if self._done is None:
            rows = evaluations.list_evaluations(conn, self._run_id)
            self._done = rows[-1]["version"] if rows else 0
        return version // self._every > self._done // self._every or (last and version > self._done)

    def _evaluate(self, evaluator: Evaluator, version: int) -> None:
        data = self._files.read(version)
        if data is None:
            return  # rounds take milliseconds, and the file is gone already; a later version will do
        self._done = version  # also if it fails: it is not tried again at once
        metrics = evaluator.over_workers(version, unpack(data), self._stopping.is_set, self._generation)
        if metrics is None:
            return
        best = best_evaluation(evaluator.conn, self._run_id)
        is_best = best is None or is_better(metrics, best[1])
        if is_best:
            is_best = weights.put_best_checkpoint(evaluator.conn, self._run_id, version, data)
        self._observer.evaluated(version, metrics)
        self._say(f"version {version}: {describe(metrics)}{'; the best so far' if is_best else ''}")
        for finding in self._health.watch(metrics):
            self._say(str(finding))


def best_evaluation(conn: Connection, run_id: int) -> tuple[int, dict[str, float]] | None:
    """Return (version, metrics) of the run's best version; None if none was evaluated."""
    version = runs.best_version(conn, run_id)
    rows = {row["version"]: row for row in evaluations.list_evaluations(conn, run_id)}
    return None if version is None or version not in rows else (version, rows[version]["metrics"])


def say_best(conn: Connection, run_id: int, say: Callable[[str], None]) -> None:
    """Say which version was the best, and how the last one compares; nothing if none was evaluated."""
    best, rows = best_evaluation(conn, run_id), evaluations.list_evaluations(conn, run_id)
    if best is None:
        return
    last = rows[-1]
    compared = "" if last["version"] == best[0] else f"; version {last['version']} has {describe(last['metrics'])}"
    say(f"the best version is {best[0]}, with {describe(best[1])}{compared}")
