"""Publish a version: upload its weights, and insert the rows that make it and its round visible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ganns.coordinator.connections import Connections
from ganns.coordinator.scheduler import PlannedRound
from ganns.coordinator.state_files import StateFiles
from ganns.db.connect import Connection
from ganns.queue.canvas import group
from ganns.queue.commands import revoke_unlocked
from ganns.queue.results import GroupResult
from ganns.queue.signature import signature
from ganns.store import lease, results, rounds, runs, weights
from ganns.store.fair_share import take_turn
from ganns.store.lease import Wish
from ganns.store.object_store import ObjectStore
from ganns.store.rounds import QUEUE, TASK, Unit
from ganns.training.published import encode_weights
from ganns.training.serialization import digest, pack
from ganns.training.state import TrainingState


@dataclass
class Publisher:
    """Publishes the versions of one run. No worker sees an upload before `insert_version` is committed."""

    run_id: int
    generation: int
    state: TrainingState
    files: StateFiles
    connections: Connections
    store: ObjectStore | None = None  # has the weights, too
    wish: Wish = field(default_factory=Wish)  # the instructors' command, read with the lease
    groups: list[tuple[int, int]] = field(default_factory=list)  # (an open round, its task group), of this process
    _state_digest: str | None = None  # of the last saved state

    def upload_and_save(self) -> int:
        """Upload the version's weights and save the whole state to disk; return the uploaded bytes."""
        saved = self.connections.pool.submit(self.files.save, self.state)
        size = self.upload(self.state.progress.version)
        self._state_digest = saved.result()  # on disk before the version is visible
        return size

    def upload(self, version: int) -> int:
        """Upload the weights of a version, the state's own or its `base_version`, and its link; return the bytes."""
        self._state_digest, self._link = None, None
        data = pack(encode_weights(self.state.weights_of(version), self.state.config.codec.down))
        blobs, pool = self.connections.blobs, self.connections.pool
        where = blobs, pool, self.run_id, version, self.generation
        put = pool.submit(self.store.put, version, data) if self.store else None
        if self.state.link is not None and version == self.state.progress.version:
            link = pack(self.state.link.change)
            weights.upload_link(*where, link)
            self._link = self.state.link.start, len(link)
        self._num_chunks = weights.upload_weights(*where, data)
        self._version, self._size, self._digest = version, len(data), digest(data)
        self._blob = put.result() if put else None  # there before the version is visible
        return len(data) + (self._link[1] if self._link else 0)

    def hold_lease(self) -> None:
        """Lock the lease until the open transaction ends, and read the instructors' command."""
        self.wish = lease.hold_lease(self.connections.main, self.run_id, self.generation)

    def insert_version(self) -> None:
        """Make the last uploaded version visible; part of the open transaction."""
        conn, progress = self.connections.main, self.state.progress
        weights.insert_version(
            conn,
            self.run_id,
            self._version,
            self.generation,
            num_chunks=self._num_chunks,
            size=self._size,
            digest=self._digest,
            state_digest=self._state_digest,
            link=self._link,
        )
        if self.store:
            weights.set_places(conn, self.run_id, self._version, self.generation, self._blob)
        runs.set_progress(conn, self.run_id, version=progress.version, images=progress.images)

    def publish(self, planned: Sequence[PlannedRound], *, goes_on: bool) -> None:
        """Make the version visible and open the planned rounds, or end the run; part of the open transaction.

        While the run is paused or being stopped, no round is opened: see `commands.py`.
        """
        conn, config = self.connections.main, self.state.config
        self.insert_version()
        for one in planned if self.wish.wanted == "run" else ():
            self.insert_round(one)
        if not goes_on:
            runs.set_state(conn, self.run_id, "finished")
        elif config.strategy.pipeline:  # the next round may have been opened long ago
            rounds.restart_deadline(conn, self.run_id, self.state.progress.version, config.quorum.deadline_s)

    def insert_round(self, planned: PlannedRound) -> None:
        """Open a round, with a job for each slice; part of the open transaction."""
        conn, slices, quorum = self.connections.main, planned.slices, self.state.config.quorum
        jobs = enqueue(conn, self.run_id, planned.round, list(slices))
        rounds.open_round(
            conn,
            self.run_id,
            planned.round,
            slices,
            jobs.job_ids,
            weights_version=planned.weights_version,
            quorum=planned.quorum,
            deadline_s=quorum.deadline_s,
            settings=planned.settings,
        )
        self.groups.append((planned.round, jobs.id))

    def enqueue_again(self, round_: int, units: Sequence[int]) -> None:
        """Give open units new jobs; part of the open transaction."""
        if units:
            jobs = enqueue(self.connections.main, self.run_id, round_, units)
            rounds.replace_jobs(self.connections.main, self.run_id, round_, units, jobs.job_ids)
            self.groups.append((round_, jobs.id))

    def restart_round(self, round_: int, units: Sequence[Unit]) -> None:
        """Let workers compute an open round again, at the state's version; part of the open transaction.

        Results that arrived are late: they are recorded, not applied. A unit at the old version cannot be submitted.
        """
        conn = self.connections.main
        rounds.rebase_round(conn, self.run_id, round_, self.state.progress.version)
        results.credit(conn, self.run_id, round_, ())
        results.forget_round(conn, self.run_id, round_)
        wanted = [unit for unit in units if not unit.skipped]
        revoke_unlocked([unit.job_id for unit in wanted], connection=conn)
        self.enqueue_again(round_, [unit.unit for unit in wanted])

    def take_groups(self, closed: int) -> list[int]:
        """Return the groups of rounds up to the closed one, and forget them."""
        taken = [group for round_, group in self.groups if round_ <= closed]
        self.groups = [one for one in self.groups if one[0] > closed]
        return taken


def enqueue(conn: Connection, run_id: int, round_: int, units: Sequence[int]) -> GroupResult:
    """Enqueue one job for each unit in the open transaction, behind the jobs of runs that have used less time."""
    jobs = group(
        signature(TASK, kwargs={"run": run_id, "round": round_, "unit": unit}, queue=QUEUE) for unit in units
    ).apply_async(connection=conn)
    take_turn(conn, run_id, jobs.job_ids)
    return jobs
