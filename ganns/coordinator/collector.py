"""Collect one round's results: fetch them as they arrive, check them, and add them in unit order.

Parts are fetched and checked as soon as they are there: the discriminator's while its worker still computes
the generator's. They are *added* only when the unit's result is complete and every unit before it has been
added; so the sum depends on which results were accepted, never on when they came.

A part that must wait for its turn stays encoded, since a codec's bytes can be fifteen times fewer than the numbers:
with 100 units and the first of them last, 160 MB instead of 2.5 GB. Only the parts of the next units in turn are kept
decoded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import psycopg

from ganns.coordinator.connections import Connections
from ganns.db.connect import Connection
from ganns.errors import BadResult, PayloadError, Quarantined
from ganns.store.results import PartKey, Submission, get_part, list_parts, list_results
from ganns.store.rounds import Unit
from ganns.training.aggregation import build_totals, weighted_metrics
from ganns.training.bounds import NUM_FIRST, Size, check_metrics, measure, remembered
from ganns.training.compression import get_codec
from ganns.training.influence import Influence, observe
from ganns.training.parts import decode_part, largest_part_bytes, shapes_of
from ganns.training.result_digest import ResultDigest, joined, part_digest
from ganns.training.round_settings import RoundSettings, in_round
from ganns.training.serialization import unpack
from ganns.training.state import TrainingState
from ganns.training.unit import Part, Tensors

ROLES = ("d", "g")
Refused = tuple[Submission, BadResult]


NUM_DECODED = 3
"""The units in turn whose parts are kept decoded: with fewer, a part that comes in turn would be decoded twice."""


@dataclass(frozen=True)
class CheckedPart:
    """A part that passed all checks that need no other part."""

    size: Size
    digest: ResultDigest
    encoded: bytes
    part: Part | None  # decoded, if its turn is near


class Collector:
    """The results of one open round, added up in one accumulator for each network."""

    def __init__(
        self,
        run_id: int,
        state: TrainingState,
        units: Sequence[Unit],
        settings: RoundSettings | None = None,
        *,
        keeps: Callable[[Submission], bool] = lambda submission: False,
        is_out: Callable[[int | None], bool] = lambda worker_id: False,
    ) -> None:
        """Begin without results.

        Args:
            run_id: the run.
            state: the round's version.
            units: the round's, in order.
            settings: those in the round's row.
            keeps: tells whether a result's parts are kept in `kept`, for an audit.
            is_out: tells whether a worker's results are refused, since its login is in quarantine.
        """
        self.run_id = run_id
        self.round = state.progress.version
        self.units = {unit.unit: unit for unit in units}  # a round that is replayed has only those it accepted
        self._place = {unit.unit: place for place, unit in enumerate(units)}
        self.totals = build_totals(state.config.aggregate, state.norms)
        self._observed = observe(self.totals)
        self._added: list[int] = []  # units, in the order in which they were added
        self.submissions: dict[int, Submission] = {}
        self.sizes: dict[int, dict[str, Size]] = {}  # of the results that were added
        self.digests: dict[int, ResultDigest] = {}  # of these, for the ledger
        self.skipped = {unit.unit for unit in units if unit.skipped}
        self.settings = settings
        self.kept: dict[int, dict[str, Part]] = {}  # by unit
        self._keeps, self._is_out = keeps, is_out
        self.config = in_round(state.config, settings, self.round)
        largest = max((unit.slice.num_images for unit in units), default=None)
        self.limits = {r: remembered(r, self.config, state.networks[r], state.optimizers[r], largest) for r in ROLES}
        self._state = state
        self._codec = get_codec(state.config.codec.up)
        self._parts: dict[PartKey, Future[CheckedPart | BadResult]] = {}
        self._num_started = 0  # round-robin over the blob connections
        self._next = 0  # every unit before this place has been added

    def receive(self, connections: Connections) -> list[Refused]:
        """List the results in the database, fetch the new ones, and add those that can be added.

        Returns:
            The results that the checks refused, with the reason; the caller takes them out.
        """
        refused = []
        found = list_results(connections.main, self.run_id, self.round)
        new = [one for one in found if one.unit not in self.submissions and one.unit not in self.skipped]
        wanted = [(one.unit, key) for one in new for key in _keys(one)]
        for _, key in wanted:  # a part that was bad when it was fetched early may have been uploaded again
            if (early := self._parts.get(key)) and early.done() and isinstance(early.result(), BadResult):
                del self._parts[key]
        self._fetch(connections, wanted)  # all, before the first wait
        for submission in new:
            self.submissions[submission.unit] = submission
            if (fault := self._fault(submission)) is not None:
                refused.append((submission, fault))
                self._take_out(submission)
        if len(self.submissions) >= NUM_FIRST or not self._is_waiting():
            refused += self.set_limits()
        self._add_prefix()
        if self._is_waiting():  # first parts of units that are still being computed
            done = self.submissions.keys() | self.skipped  # a part that was added must not be fetched again
            parts = [one for one in list_parts(connections.main, self.run_id, self.round) if one[0] not in done]
            needed = {key for _, key in parts} | {key for one in self.submissions.values() for key in _keys(one)}
            for key in self._parts.keys() - needed:  # of attempts that ended without a result
                del self._parts[key]
            self._fetch(connections, parts)
        return refused

    def _is_waiting(self) -> bool:
        return len(self.submissions) + len(self.skipped) < len(self.units)

    def _fetch(self, connections: Connections, wanted: Sequence[tuple[int, PartKey]]) -> None:
        for unit, key in wanted:
            if key not in self._parts:
                conn = connections.blobs[self._num_started % len(connections.blobs)]
                self._num_started += 1
                num_images = self.units[unit].slice.num_images
                is_near = self._place[unit] < self._next + NUM_DECODED
                self._parts[key] = connections.pool.submit(self._fetch_one, conn, key, unit, num_images, is_near)

    def _fetch_one(
        self, conn: Connection, key: PartKey, unit: int, num_images: int, is_near: bool
    ) -> CheckedPart | BadResult:
        """Fetch and check one part. Whatever is wrong with it is returned, not raised: the worker made it."""
        try:
            network = self._state.networks[key[2]]
            encoded, found = get_part(conn, key, largest_part_bytes(network))
            tensors = unpack(encoded, found)
            part = self._decode(tensors, unit, key[2])
            size = measure(part, key[2], network, self.config, num_images)
            digest = part_digest(tensors, part)
            return CheckedPart(size, digest, b"" if is_near else encoded, part if is_near else None)
        except (psycopg.OperationalError, psycopg.InterfaceError):  # of the connection, not of the part
            raise
        except BaseException as error:  # on this thread no signal raises; a panic in a library's Rust is no Exception
            return _as_bad_result(error)

    def _decode(self, tensors: Tensors, unit: int, role: str) -> Part:
        seed = (self.config.seed, self.round, unit, role)
        return decode_part(tensors, self._codec, shapes_of(self._state.networks[role]), seed)

    def _fault(self, submission: Submission) -> BadResult | None:
        """Return what is wrong with a complete result, or None."""
        if self._is_out(submission.worker_id):
            return Quarantined()
        parts = [self._parts[key].result() for key in _keys(submission)]
        try:
            for part in parts:
                if isinstance(part, BadResult):
                    return part
            check_metrics(submission.metrics)
            for role, size in self._sizes(submission).items():
                self.limits[role].check(size)
        except Exception as error:
            return _as_bad_result(error)
        return None

    def _checked(self, key: PartKey) -> CheckedPart:
        found = self._parts[key].result()
        assert isinstance(found, CheckedPart)  # else it was refused
        return found

    def _sizes(self, submission: Submission) -> dict[str, Size]:
        return {key[2]: self._checked(key).size for key in _keys(submission)}

    def refuse_banned(self) -> list[Refused]:
        """Take out the results of workers in quarantine that were not added yet; return them."""
        waiting = [one for number, one in self.submissions.items() if self._place[number] >= self._next]
        found = [one for one in waiting if self._is_out(one.worker_id)]
        for submission in found:
            self._take_out(submission)
        return [(submission, Quarantined()) for submission in found]

    def _take_out(self, submission: Submission) -> None:
        del self.submissions[submission.unit]
        for key in _keys(submission):
            del self._parts[key]

    def set_limits(self) -> list[Refused]:
        """Take the limits that the run has no memory of from the results so far; return the results above them.

        Until then nothing is added. Without results, or if no limit is missing, this does nothing.
        """
        if self._limits_are_known or not self.submissions:
            return []
        sizes = [self._sizes(one) for one in self.submissions.values()]
        self.limits = {role: self.limits[role].or_median([one[role] for one in sizes]) for role in ROLES}
        refused = [(one, fault) for one in self.submissions.values() if (fault := self._fault(one)) is not None]
        for submission, _ in refused:
            self._take_out(submission)
        return refused

    @property
    def _limits_are_known(self) -> bool:
        return all(one.are_known for one in self.limits.values())

    def raise_limits(self, sizes: Mapping[str, Size]) -> bool:
        """Raise the limits to the sizes of a result that is known to be right; return True if it is above one."""
        old = self.limits
        self.limits = {role: old[role].raised_to(sizes[role]) for role in ROLES}
        return any(old[role].is_exceeded(sizes[role]) for role in ROLES)

    def skip(self, units: Iterable[int]) -> None:
        """Expect no result of these units any more; a result that is here already is kept."""
        self.skipped |= set(units) - self.submissions.keys()
        self._add_prefix()

    def _add_prefix(self) -> None:
        if not self._limits_are_known:
            return
        for number in list(self.units)[self._next :]:
            if number in self.submissions:
                self._add(number)
            elif number not in self.skipped:
                return
            self._next += 1

    def _add(self, number: int) -> None:
        self.sizes[number] = self._sizes(self.submissions[number])
        self._added.append(number)
        parts, digests = {}, {}
        for key in _keys(self.submissions[number]):
            checked = self._checked(key)
            parts[key[2]] = checked.part or self._decode(unpack(checked.encoded), number, key[2])
            digests[key[2]] = checked.digest
            self.totals[key[2]].add(parts[key[2]], self.units[number].slice.num_images)
            del self._parts[key]
        self.digests[number] = joined(digests)
        if self._keeps(self.submissions[number]):
            self.kept[number] = parts

    def finish(self) -> None:
        """Add the results behind the first missing unit. Call it once, when no more are received."""
        for number in sorted(self.submissions):
            if self._place[number] >= self._next:
                self._add(number)
        self._next = len(self.units)

    def num_images(self) -> int:
        """Return the number of images of the received results."""
        return sum(self.units[number].slice.num_images for number in self.submissions)

    def metrics(self) -> dict[str, float]:
        """Return the image-weighted mean of the accepted results' metrics."""
        return weighted_metrics(
            [(self.units[n].slice.num_images, self.submissions[n].metrics) for n in sorted(self.submissions)]
        )

    def influences(self) -> dict[int, dict[str, Influence]]:
        """Return for each unit and network what its gradient did in the step; call it after the step."""
        found = {role: observed.influences() for role, observed in self._observed.items()}
        return {unit: {role: found[role][n] for role in ROLES if found[role]} for n, unit in enumerate(self._added)}

    def timings(self) -> dict[str, float]:
        """Return the workers' timings in seconds: the mean over the accepted results."""
        reports = [submission.timings for submission in self.submissions.values()]
        return {name: sum(report[name] for report in reports) / len(reports) for name in reports[0]}


def _keys(submission: Submission) -> list[PartKey]:
    return [(submission.job_id, submission.attempt, role) for role in ROLES]


def _as_bad_result(error: BaseException) -> BadResult:
    """Return an error of a worker's result as the reason of its refusal."""
    if isinstance(error, BadResult):
        return error
    if isinstance(error, PayloadError):
        return BadResult(str(error))
    return BadResult(f"It cannot be read ({type(error).__name__}: {error!s:.200}).")
