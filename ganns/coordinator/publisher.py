"""Publishing a version: where its bytes go, and the rows that make it and its round visible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ganns.coordinator.jobs import enqueue
from ganns.coordinator.session import Session
from ganns.coordinator.statefiles import StateFiles
from ganns.payload import digest, pack
from ganns.plan import Slice
from ganns.state import TrainingState
from ganns.store import rounds, runs, weights


@dataclass
class Publisher:
    """Publishes the versions of one run. What it uploads is seen by nobody before `insert_version` is committed."""

    run_id: int
    generation: int
    state: TrainingState
    files: StateFiles
    session: Session
    groups: list[int] = field(default_factory=list)  # the task groups behind the open round, this session's

    def upload_and_save(self) -> int:
        """Put the version's weights and the whole state where nobody looks yet; return the weights' bytes."""
        saved = self.session.pool.submit(self.files.save, self.state)
        size = self.upload()
        saved.result()  # on disk before anybody can see the version
        return size

    def upload(self) -> int:
        """Upload the version's weights; return their bytes."""
        data = pack(self.state.weights())
        session = self.session
        self._num_chunks = weights.upload_weights(
            session.blobs, session.pool, self.run_id, self.state.progress.version, self.generation, data
        )
        self._size, self._digest = len(data), digest(data)
        return len(data)

    def hold_lease(self) -> None:
        """Make sure, for the transaction in hand, that nobody took the run over."""
        runs.hold_lease(self.session.main, self.run_id, self.generation)

    def insert_version(self) -> None:
        """Make the uploaded version visible; part of the transaction in hand."""
        conn, progress = self.session.main, self.state.progress
        weights.insert_version(
            conn,
            self.run_id,
            progress.version,
            self.generation,
            num_chunks=self._num_chunks,
            size=self._size,
            digest=self._digest,
        )
        runs.set_progress(conn, self.run_id, version=progress.version, images=progress.images)

    def insert_round(self, slices: Sequence[Slice]) -> None:
        """Open the version's round, with a job for each slice; part of the transaction in hand."""
        conn, version, quorum = self.session.main, self.state.progress.version, self.state.config.quorum
        jobs = enqueue(conn, self.run_id, version, range(len(slices)))
        rounds.open_round(
            conn,
            self.run_id,
            version,
            slices,
            jobs.job_ids,
            quorum=min(quorum.units, len(slices)),
            deadline_s=quorum.deadline_s,
        )
        self.groups.append(jobs.id)

    def enqueue_again(self, round_: int, units: Sequence[int]) -> None:
        """Give open units new jobs; part of the transaction in hand."""
        if units:
            jobs = enqueue(self.session.main, self.run_id, round_, units)
            rounds.replace_jobs(self.session.main, self.run_id, round_, units, jobs.job_ids)
            self.groups.append(jobs.id)

    def take_groups(self, *, but_last: bool) -> list[int]:
        """Return the groups of closed rounds, and forget them; the last one is the new round's if there is one."""
        kept = self.groups[-1:] if but_last else []
        closed = self.groups[: len(self.groups) - len(kept)]
        self.groups = kept
        return closed
