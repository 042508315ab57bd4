"""Publishing a version: where its bytes go, and the rows that make it and its round visible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ganns.coordinator.jobs import enqueue
from ganns.coordinator.planning import Planned
from ganns.coordinator.session import Session
from ganns.coordinator.statefiles import StateFiles
from ganns.payload import digest, pack
from ganns.state import TrainingState
from ganns.store import results, rounds, runs, weights
from ganns.store.rounds import Unit
from ganns.store.runs import Wish
from tasks.control import revoke


@dataclass
class Publisher:
    """Publishes the versions of one run. What it uploads is seen by nobody before `insert_version` is committed."""

    run_id: int
    generation: int
    state: TrainingState
    files: StateFiles
    session: Session
    wish: Wish = field(default_factory=Wish)  # what instructors want of the run, as of the last look at the lease
    groups: list[tuple[int, int]] = field(default_factory=list)  # this session's: an open round, a task group behind it

    def upload_and_save(self) -> int:
        """Put the version's weights and the whole state where nobody looks yet; return the weights' bytes."""
        saved = self.session.pool.submit(self.files.save, self.state)
        size = self.upload(self.state.progress.version)
        saved.result()  # on disk before anybody can see the version
        return size

    def upload(self, version: int) -> int:
        """Upload a version's weights, the state's or those of its `base_version`; return their bytes."""
        data = pack(self.state.weights_of(version))
        session = self.session
        self._num_chunks = weights.upload_weights(
            session.blobs, session.pool, self.run_id, version, self.generation, data
        )
        self._version, self._size, self._digest = version, len(data), digest(data)
        return len(data)

    def hold_lease(self) -> None:
        """Make sure, for the transaction in hand, that nobody took the run over; and read what is wanted of it."""
        self.wish = runs.hold_lease(self.session.main, self.run_id, self.generation)

    def insert_version(self) -> None:
        """Make the version that was uploaded last visible; part of the transaction in hand."""
        conn, progress = self.session.main, self.state.progress
        weights.insert_version(
            conn,
            self.run_id,
            self._version,
            self.generation,
            num_chunks=self._num_chunks,
            size=self._size,
            digest=self._digest,
        )
        runs.set_progress(conn, self.run_id, version=progress.version, images=progress.images)

    def publish(self, planned: Sequence[Planned], *, goes_on: bool) -> None:
        """Make the version visible and open what is planned, or end the run; part of the transaction in hand.

        While the run is paused, or to be stopped, nothing is opened: see `control.py`.
        """
        conn, config = self.session.main, self.state.config
        self.insert_version()
        for one in planned if self.wish.wanted == "run" else ():
            self.insert_round(one)
        if not goes_on:
            runs.set_state(conn, self.run_id, "finished")
        elif config.strategy.pipeline:  # the round that is next may have been opened long ago
            rounds.restart_deadline(conn, self.run_id, self.state.progress.version, config.quorum.deadline_s)

    def insert_round(self, planned: Planned) -> None:
        """Open a round, with a job for each slice; part of the transaction in hand."""
        conn, slices, quorum = self.session.main, planned.slices, self.state.config.quorum
        jobs = enqueue(conn, self.run_id, planned.round, range(len(slices)))
        rounds.open_round(
            conn,
            self.run_id,
            planned.round,
            slices,
            jobs.job_ids,
            weights_version=planned.weights_version,
            quorum=planned.quorum,
            deadline_s=quorum.deadline_s,
        )
        self.groups.append((planned.round, jobs.id))

    def enqueue_again(self, round_: int, units: Sequence[int]) -> None:
        """Give open units new jobs; part of the transaction in hand."""
        if units:
            jobs = enqueue(self.session.main, self.run_id, round_, units)
            rounds.replace_jobs(self.session.main, self.run_id, round_, units, jobs.job_ids)
            self.groups.append((round_, jobs.id))

    def restart_round(self, round_: int, units: Sequence[Unit]) -> None:
        """Let an open round be computed anew, at the state's version; part of the transaction in hand.

        What arrived of it is late: effort that was not applied. Whoever computes at the old version cannot submit.
        """
        conn = self.session.main
        rounds.rebase_round(conn, self.run_id, round_, self.state.progress.version)
        results.credit(conn, self.run_id, round_, ())
        results.forget_round(conn, self.run_id, round_)
        wanted = [unit for unit in units if not unit.skipped]
        revoke([unit.job_id for unit in wanted], connection=conn)
        self.enqueue_again(round_, [unit.unit for unit in wanted])

    def take_groups(self, closed: int) -> list[int]:
        """Return the groups of rounds up to the closed one, and forget them."""
        taken = [group for round_, group in self.groups if round_ <= closed]
        self.groups = [one for one in self.groups if one[0] > closed]
        return taken
