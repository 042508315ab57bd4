"""Collect one round's results: fetch them as they arrive, check them, and add them in unit order.

Parts are fetched and checked as soon as they are there: the discriminator's while its worker still computes
the generator's. They are *added* only when the unit's result is complete and every unit before it has been
added; so the sum depends on which results were accepted, never on when they came.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from typing import Any

from ganns.coordinator.connections import Connections
from ganns.errors import BadResult, PayloadError
from ganns.store.results import PartKey, Submission, get_part, list_parts, list_results
from ganns.store.rounds import Unit
from ganns.training.aggregation import build_totals, weighted_metrics
from ganns.training.compression import get_codec
from ganns.training.parts import check_part, decode_part
from ganns.training.serialization import unpack
from ganns.training.state import TrainingState
from ganns.training.unit import Part

ROLES = ("d", "g")


class Collector:
    """The results of one open round, added up in one accumulator for each network."""

    def __init__(self, run_id: int, state: TrainingState, units: Sequence[Unit]) -> None:
        """Begin without results; `units` are the round's, in order."""
        self.run_id = run_id
        self.round = state.progress.version
        self.units = list(units)
        self.totals = build_totals(state.config.aggregate)
        self.submissions: dict[int, Submission] = {}
        self.skipped = {unit.unit for unit in units if unit.skipped}
        self._state = state
        self._codec = get_codec(state.config.codec.name)
        self._parts: dict[PartKey, Future[Part | Exception]] = {}
        self._num_started = 0  # round-robin over the blob connections
        self._next = 0  # every unit before this one has been added

    def receive(self, connections: Connections) -> list[tuple[int, Exception]]:
        """List the results in the database, fetch the new ones, and add those that can be added.

        Returns:
            Units whose result the checks refused, with the reason; the caller takes the results out.
        """
        refused = []
        found = list_results(connections.main, self.run_id, self.round)
        new = [one for one in found if one.unit not in self.submissions and one.unit not in self.skipped]
        for submission in new:  # start all downloads before waiting for the first
            self._fetch(connections, [(submission.job_id, submission.attempt, role) for role in ROLES])
        for submission in new:
            keys = [(submission.job_id, submission.attempt, role) for role in ROLES]
            failures = [part for key in keys if isinstance(part := self._parts[key].result(), Exception)]
            if not _has_metrics(submission.report):
                failures.append(BadResult(f"The report {submission.report} lacks finite metrics and timings."))
            if failures:
                refused.append((submission.unit, failures[0]))
                for key in keys:
                    del self._parts[key]
            else:
                self.submissions[submission.unit] = submission
        self._add_prefix()
        if len(self.submissions) + len(self.skipped) < len(
            self.units
        ):  # first parts of units that are still being computed
            self._fetch(connections, list_parts(connections.main, self.run_id, self.round))
        return refused

    def _fetch(self, connections: Connections, keys: Sequence[PartKey]) -> None:
        for key in keys:
            if key not in self._parts:
                conn = connections.blobs[self._num_started % len(connections.blobs)]
                self._num_started += 1
                self._parts[key] = connections.pool.submit(self._fetch_one, conn, key)

    def _fetch_one(self, conn: Any, key: PartKey) -> Part | Exception:
        """Fetch and check one part. An error in it is returned, not raised: the worker made it."""
        try:
            data, digest = get_part(conn, key)
            part = decode_part(unpack(data, digest), self._codec)
            check_part(part, self._state.networks[key[2]], self._state.config.aggregate.max_norm)
            return part
        except (BadResult, PayloadError) as error:
            return error

    def skip(self, units: Iterable[int]) -> None:
        """Expect no result of these units any more; a result that is here already is kept."""
        self.skipped |= set(units) - self.submissions.keys()
        self._add_prefix()

    def _add_prefix(self) -> None:
        while self._next < len(self.units) and (self._next in self.submissions or self._next in self.skipped):
            if self._next in self.submissions:
                self._add(self._next)
            self._next += 1

    def _add(self, number: int) -> None:
        submission = self.submissions[number]
        for role in ROLES:
            part = self._parts.pop((submission.job_id, submission.attempt, role)).result()
            assert isinstance(part, Part)  # else it was refused
            self.totals[role].add(part, self.units[number].slice.num_images)

    def finish(self) -> None:
        """Add the results behind the first missing unit. Call it once, when no more are received."""
        for number in sorted(self.submissions):
            if number >= self._next:
                self._add(number)
        self._next = len(self.units)

    def num_images(self) -> int:
        """Return the number of images of the received results."""
        return sum(self.units[number].slice.num_images for number in self.submissions)

    def metrics(self) -> dict[str, float]:
        """Return the image-weighted mean of the accepted results' metrics."""
        return weighted_metrics(
            [(self.units[n].slice.num_images, self.submissions[n].report["metrics"]) for n in sorted(self.submissions)]
        )

    def timings(self) -> dict[str, float]:
        """Return the workers' timings in seconds: the mean over the accepted results."""
        reports = [submission.report["timings"] for submission in self.submissions.values()]
        return {name: sum(report[name] for report in reports) / len(reports) for name in reports[0]}


def _has_metrics(report: dict[str, Any]) -> bool:
    """Tell whether a worker's report has exactly the names that we use, each with a finite number."""
    wanted = {"metrics": {"d_loss", "g_loss", "d_real", "d_fake"}, "timings": {"fetch", "load", "compute", "upload"}}
    return all(
        isinstance(group := report.get(name), dict)
        and set(group) == keys
        and all(isinstance(value, int | float) and math.isfinite(value) for value in group.values())
        for name, keys in wanted.items()
    )
