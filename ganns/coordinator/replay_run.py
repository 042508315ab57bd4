"""Replay recorded rounds with the workers that are there: as the rounds of a run of their own.

The run begins at the version and with the state of the run that is replayed, so its rounds have the same numbers, and
its units the same noise. Each round has the units that were accepted then, and waits for all of them. All else is as in
any run: workers take its jobs, a dead worker's unit is given to another one, wrong results are refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ganns import paths
from ganns.config import AuditConfig, Config, EvaluateConfig, NoStore, StopConfig, to_dict
from ganns.coordinator.scheduler import Choice, PlannedRound, Scheduler
from ganns.coordinator.state_files import StateFiles
from ganns.db.connect import Connection
from ganns.store import runs, weights
from ganns.store.rounds import Unit
from ganns.store.runs import Run
from ganns.training.plan import Cursor
from ganns.training.round_settings import RecordedRound, RoundSettings
from ganns.training.serialization import digest
from ganns.training.state import Progress, TrainingState


@dataclass(frozen=True)
class RecordedScheduler(Scheduler):
    """Opens rounds as they were recorded."""

    schedule: Mapping[int, RecordedRound] = field(default_factory=dict)

    def choose(self, conn: Connection, version: int, units: int | None) -> Choice:
        """Return nothing of use: units and settings are the recorded ones."""
        return Choice(0)

    def cursor_after(
        self,
        before: Progress,
        units: Sequence[Unit],
        done: object,
        num_ahead: int,
        settings: RoundSettings | None = None,
    ) -> Cursor:
        """Return the cursor where the replay began: nothing is planned with it."""
        return before.cursor

    def to_open(self, state: TrainingState, num_ahead: int = 0, choice: Choice | None = None) -> list[PlannedRound]:
        """Return the rounds that should be open at the state's version, and are not."""
        version, planned = state.progress.version, []
        for number in range(version + bool(num_ahead), version + self.config.strategy.pipeline + 1):
            if (one := self.schedule.get(number)) is not None:
                base = state.base_version if number == version else number - 1
                planned.append(PlannedRound(number, base, len(one.slices), one.slices, one.settings))
        return planned


def create_replay(
    conn: Connection, name: str, source: Run, config: Config, state: TrainingState, num_rounds: int
) -> tuple[Run, Config]:
    """Insert the run of a replay, at the version of `state`, which is saved on this machine's disk.

    Args:
        conn: a connection.
        name: of the new run.
        source: the run that is replayed.
        config: its configuration, with the changes of the replay.
        state: where the replay begins.
        num_rounds: of the replay.

    Returns:
        The run and its configuration. It is not evaluated or audited: its versions are compared with the other run's.
    """
    version = state.progress.version
    config = replace(
        config,
        name=name,
        start_from=f"{source.id}@{version}",  # as a record
        stop=StopConfig(rounds=version + num_rounds),
        quorum=replace(config.quorum, spares=0, deadline_s=None),
        audit=AuditConfig(of="nobody"),
        store=NoStore(),
        db=replace(config.db, keep_state_every=0),
        evaluate=EvaluateConfig(every=0),
        sample_every=0,
        observers="",
    )
    with conn.transaction():
        run_id = runs.create_run(
            conn,
            name=name,
            config=to_dict(config),
            fingerprint=source.fingerprint,
            num_images=source.num_images,
            permutation_digest=source.permutation_digest,
        )
        run = runs.get_run(conn, run_id)
        saved = StateFiles(paths.home() / "state" / run.key).save(state)
        # The row says which state the version has; its weights are published when the first round is opened.
        weights.insert_version(conn, run_id, version, 0, num_chunks=1, size=0, digest=digest(b""), state_digest=saved)
        runs.set_progress(conn, run_id, version=version, images=state.progress.images)
    return runs.get_run(conn, run_id), config
