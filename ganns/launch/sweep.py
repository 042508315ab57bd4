"""`ganns train -m`: the points of a sweep, several at once, over one pool of workers.

Each point is a separate run, with a coordinator on a thread. The digest of its configuration identifies a point:
the same command again skips finished points and continues open ones.
"""

from __future__ import annotations

import hashlib
import json
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg

from ganns.config import Config, to_dict
from ganns.coordinator import train_run
from ganns.coordinator.create import create_run
from ganns.coordinator.evaluation_thread import best_evaluation
from ganns.data import images_of
from ganns.db.address import Address
from ganns.db.connect import Connection, connect
from ganns.db.migrate import require_current
from ganns.errors import GannsError, RunError
from ganns.evaluation.ranking import distance
from ganns.observers.watch import Watch
from ganns.store import runs, sweeps
from ganns.utils.background import end_before_exit

log = logging.getLogger(__name__)

KEY_LENGTH = 12  # of a sweep's key, in hexadecimal digits


@dataclass(frozen=True)
class Point:
    """One combination of settings."""

    number: int  # from 0, as Hydra counts
    config: Config
    folder: Path  # for its samples
    typed: tuple[str, ...] = ()  # the keys that the command line gave


@dataclass(frozen=True)
class PointResult:
    """The end of a point: its state, and its run's distance."""

    point: Point
    state: str  # finished, finished before, stopped, failed, not begun
    run_id: int | None = None
    reason: str = ""
    distance: float | None = None  # of its best evaluated version (see `ganns.evaluation.ranking`)


def point_digest(config: Config) -> str:
    """Return the digest of a configuration: two points with equal settings are the same."""
    text = json.dumps(to_dict(config) | {"resume": None}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def sweep_key(points: Sequence[Point]) -> str:
    """Return the sweep's name: a digest of its points. It does not depend on how the sweep was typed."""
    digests = sorted(point_digest(point.config) for point in points)
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()[:KEY_LENGTH]


class Sweep:
    """The points of one sweep on one database."""

    def __init__(
        self,
        points: Sequence[Point],
        address: Address,
        watch: Callable[[Point], Watch],
        stop: threading.Event,
        key: str = "",
    ) -> None:
        """Keep the points.

        Args:
            points: each is trained once.
            address: the database.
            watch: returns a point's observer.
            stop: setting it stops all points, resumable.
            key: the sweep's name in the database; without it, the digest of the points.
        """
        self.points, self.key = list(points), key or sweep_key(points)
        self._address, self._watch, self._stop = address, watch, stop
        self._outcomes: dict[int, PointResult] = {}

    def run(self, num_at_once: int) -> list[PointResult]:
        """Train all points, at most `num_at_once` at a time; return their results, in order."""
        waiting: queue.SimpleQueue[Point] = queue.SimpleQueue()
        for point in self.points:
            waiting.put(point)

        def work() -> None:
            while not self._stop.is_set():
                try:
                    point = waiting.get_nowait()
                except queue.Empty:
                    return
                self._outcomes[point.number] = self._attempt(point)

        # Daemons, which a second Ctrl-C does not wait for; only the end of the program does, when they have stopped.
        num = min(num_at_once, len(self.points))
        threads = [threading.Thread(target=work, name=f"point-{n}", daemon=True) for n in range(num)]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                while thread.is_alive():  # `join()` alone would block the signal handlers
                    thread.join(0.2)
        except BaseException:
            self._stop.set()
            for thread in threads:
                end_before_exit(thread)
            raise
        return [self._outcomes.get(point.number) or PointResult(point, "not begun") for point in self.points]

    def _attempt(self, point: Point) -> PointResult:
        """Train one point; an error becomes its result, and the other points go on."""
        found: list[int] = []
        try:
            return self._train(point, found.append)
        except GannsError as error:
            return PointResult(point, "failed", found[-1] if found else None, str(error))
        except Exception as error:  # an error in the program: the traceback helps to find it
            log.exception("point %d of the sweep failed", point.number)
            return PointResult(point, "failed", found[-1] if found else None, f"{type(error).__name__}: {error}")

    def _train(self, point: Point, found: Callable[[int], None]) -> PointResult:
        with self._watch(point) as watch:
            return self._train_watched(point, watch, found)

    def _train_watched(self, point: Point, watch: Watch, found: Callable[[int], None]) -> PointResult:
        changed: tuple[str, ...] = ()
        with connect(self._address, application="ganns sweep") as conn:
            require_current(conn)
            if point.config.resume is not None:  # `ganns train -m resume=3,4`
                run, changed = runs.find_run(conn, point.config.resume), point.typed
            else:
                run = self._find(conn, point) or self._create(conn, point, watch)
                sweeps.add_to_sweep(conn, self.key, run.id)
                if not run.version and (source := run.config.get("start_from")):
                    watch.say(f"it begins with version {source}'s weights")
                if run.state == "finished":
                    watch.say(f"run {run.id} is finished already")
                    return PointResult(point, "finished before", run.id, distance=_distance(conn, run.id))
        found(run.id)
        if run.state == "diverged":
            raise RunError(f"Run {run.id} diverged; `ganns runs delete {run.id}` lets this point be tried again.")
        if run.version:
            watch.say(f"run {run.id} goes on from version {run.version}")
        _, done = train_run(replace(point.config, resume=str(run.id)), self._address, watch, self._stop, changed)
        watch.last_grid()
        with connect(self._address, application="ganns sweep") as conn:
            distance = _distance(conn, run.id)
        return PointResult(point, "finished" if done else "stopped", run.id, distance=distance)

    def _find(self, conn: Connection, point: Point) -> runs.Run | None:
        run_id = sweeps.find_point(conn, point_digest(point.config))
        return None if run_id is None else runs.get_run(conn, run_id)

    def _create(self, conn: Connection, point: Point, watch: Watch) -> runs.Run:
        images_of(point.config)
        try:
            return create_run(conn, point.config, point_digest(point.config), watch.say)
        except psycopg.errors.UniqueViolation as error:
            raise RunError("Another sweep began this point at the same moment; type the command again.") from error


def _distance(conn: Connection, run_id: int) -> float | None:
    best = best_evaluation(conn, run_id)
    return None if best is None else distance(best[1])
