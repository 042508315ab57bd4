"""Beside the rounds: evaluate the run's versions, keep the best one, and warn when samples look alike.

On a thread and a connection of its own, like the cleanup: a round never waits for it, and whatever happens in an
evaluation, the training goes on. One evaluation at a time: what becomes due meanwhile is left out.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import psycopg

from ganns.config import Config
from ganns.coordinator.evaluator import Evaluator, describe
from ganns.coordinator.health import SampleHealth
from ganns.coordinator.observer import Observer
from ganns.coordinator.state_files import StateFiles
from ganns.db.address import Address
from ganns.db.connect import Connection, connect
from ganns.errors import DataError, MissingExtra
from ganns.store import evaluations, runs, weights
from ganns.training.serialization import unpack

log = logging.getLogger(__name__)

CLOSE_S = 10.0
"""How long the end of a coordinator waits for what the thread computes just now; the thread ends with the process."""
LAST_S = 120.0
"""How long the end of a run waits for the evaluation of its last version."""


class Evaluations:
    """A thread that follows the run's versions and evaluates one every `evaluate.every` rounds."""

    def __init__(
        self,
        address: Address,
        run_id: int,
        generation: int,
        config: Config,
        files: StateFiles,
        observer: Observer,
    ) -> None:
        """Start the thread, unless the run is not to be evaluated; it does nothing until `after_version` is called."""
        self._address, self._run_id, self._generation = address, run_id, generation
        self._config, self._files, self._observer = config, files, observer
        self._say = observer.say
        self._every = config.evaluate.every
        self._changed = threading.Condition()
        self._version: int | None = None
        self._last = False
        self._busy = self._stopping = False
        self._done: int | None = None  # the last evaluated version; None: not looked up yet
        self._health = SampleHealth()
        self._thread = threading.Thread(target=self._run, name="evaluation", daemon=True)
        if self._every:
            self._thread.start()

    def after_version(self, version: int) -> None:
        """Say that `version` was published."""
        with self._changed:
            self._version = version
            self._changed.notify_all()

    def finish(self, version: int, should_stop: Callable[[], bool]) -> None:
        """Evaluate the last version too, if the run was long enough for any."""
        if not self._thread.is_alive() or version < self._every:
            return
        with self._changed:
            self._version, self._last = version, True
            self._changed.notify_all()
        until = time.monotonic() + LAST_S
        while not should_stop() and time.monotonic() < until:
            with self._changed:
                if self._changed.wait_for(lambda: self._version is None and not self._busy, timeout=0.5):
                    break

    def close(self) -> None:
        """Give up what is being evaluated, and stop."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(CLOSE_S)

    def _run(self) -> None:
        conn: Connection | None = None
        evaluator: Evaluator | None = None
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._version is not None or self._stopping)
                version, self._version = self._version, None
                last, self._busy = self._last, True
            if version is None or self._stopping:
                break
            try:
                if conn is None or conn.closed or evaluator is None:
                    conn = connect(self._address, application="ganns coordinator: evaluation")
                    evaluator = Evaluator(conn, self._run_id, self._config, self._say)
                    evaluations.forget_left_generators(conn, self._run_id, self._generation)
                if self._is_due(conn, version, last):
                    self._evaluate(evaluator, version)
            except (DataError, MissingExtra) as error:
                self._say(f"this run is not evaluated any more: {error}")
                break
            except Exception as error:  # whatever it is, it must not end the training
                log.debug("an evaluation failed", exc_info=True)
                self._say(f"the evaluation of version {version} failed ({type(error).__name__}: {error})")
                if conn is not None and isinstance(error, psycopg.Error):
                    with suppress(psycopg.Error):
                        conn.close()
        with self._changed:
            self._busy, self._version = False, None
            self._changed.notify_all()
        if conn is not None:
            conn.close()

    def _is_due(self, conn: Connection, version: int, last: bool) -> bool:
        if self._done is None:
            rows = evaluations.list_evaluations(conn, self._run_id)
            self._done = rows[-1]["version"] if rows else 0
        return version // self._every > self._done // self._every or (last and version > self._done)

    def _evaluate(self, evaluator: Evaluator, version: int) -> None:
        data = self._files.read(version)
        if data is None:
            return  # overtaken: rounds of milliseconds; the next version will do
        self._done = version  # also if it fails: not again at once
        metrics = evaluator.over_workers(version, unpack(data), lambda: self._stopping, self._generation)
        if metrics is None:
            return
        best = best_evaluation(evaluator.conn, self._run_id)
        is_best = best is None or metrics["swd"] < best[1]
        if is_best:
            weights.put_best_checkpoint(evaluator.conn, self._run_id, version, data)
        self._observer.evaluated(version, metrics)
        self._say(f"version {version}: {describe(metrics)}{'; the best so far' if is_best else ''}")
        for text in self._health.watch(metrics):
            self._say(text)


def best_evaluation(conn: Connection, run_id: int) -> tuple[int, float] | None:
    """Return (version, sliced Wasserstein distance) of the run's best version; None if none was evaluated."""
    version = runs.best_version(conn, run_id)
    rows = {row["version"]: row for row in evaluations.list_evaluations(conn, run_id)}
    return None if version is None or version not in rows else (version, rows[version]["metrics"]["swd"])


def say_best(conn: Connection, run_id: int, say: Callable[[str], None]) -> None:
    """Say which version was the best, and how the last one compares; nothing if none was evaluated."""
    best, rows = best_evaluation(conn, run_id), evaluations.list_evaluations(conn, run_id)
    if best is None:
        return
    last = rows[-1]
    compared = "" if last["version"] == best[0] else f"; version {last['version']} has {last['metrics']['swd']:.3g}"
    say(f"the best version is {best[0]}, with a sliced Wasserstein distance of {best[1]:.3g}{compared}")
