"""Restore a run's state: from this machine's disk, else from a checkpoint in the database, else from the seed.

A run that starts from another run's version has a checkpoint from its beginning (`warm_start.py`).
"""

from __future__ import annotations

from collections.abc import Callable

from ganns.config import Config
from ganns.coordinator.state_files import StateFiles
from ganns.db.connect import Connection
from ganns.errors import RunError
from ganns.store import lease, rounds, runs, weights
from ganns.store.runs import Run
from ganns.training.state import TrainingState

NOT_THE_RUNS = "are not the run's: they were never published, or it went on elsewhere from an older version"
"""Said of files beside the run's own state."""


def restore(
    conn: Connection, run: Run, generation: int, files: StateFiles, config: Config, say: Callable[[str], None]
) -> TrainingState:
    """Return the state of the run's open round (or of its last version, when none is open).

    The database says which state a version is, by its digest. With this state's file on this disk, the run goes on
    exactly. Otherwise the newest checkpoint is taken, and the versions after it are marked as undone, in the ledger
    too, in one transaction. Files with another digest are deleted: another machine went on from an older checkpoint.
    """
    open_round = rounds.get_open_round(conn, run.id)
    version = open_round.round if open_round else run.version
    expected = weights.state_digest(conn, run.id, version)
    if expected is not None and (state := files.load(config, version, expected)) is not None:
        _ignore_others(conn, run, files, (version, None), NOT_THE_RUNS, say)
        return state
    if version == 0 and config.start_from is None:
        _ignore_others(conn, run, files, (version, expected), NOT_THE_RUNS, say)
        return TrainingState(config)  # it follows from the seed
    state = _go_back(conn, run, generation, files, config, version, say)
    why = "are not the run's: it went on elsewhere from an older version"
    _ignore_others(conn, run, files, (version, expected), why, say)
    return state


def _ignore_others(
    conn: Connection,
    run: Run,
    files: StateFiles,
    missing: tuple[int, str | None],
    why: str,
    say: Callable[[str], None],
) -> None:
    """Delete the files of other states; if some are not the run's, say which, and why.

    An older version of the run is no such file: each run has one. `missing` is the version and digest of the state that
    could not be loaded: a file with its name is damaged.
    """
    others = [one for one in files.forget_others() if one == missing or not _is_the_runs(conn, run, *one)]
    if others:
        numbers = ", ".join(str(number) for number, _ in others)
        why = "are damaged" if missing in others else why
        say(f"ignored the state files of version {numbers} on this machine, which {why}")


def _is_the_runs(conn: Connection, run: Run, version: int, digest: str) -> bool:
    return weights.state_digest(conn, run.id, version) == digest


def _go_back(
    conn: Connection,
    run: Run,
    generation: int,
    files: StateFiles,
    config: Config,
    version: int,
    say: Callable[[str], None],
) -> TrainingState:
    """Return the newest checkpoint's state, or version 0, and mark the versions after it as undone."""
    found = weights.latest_checkpoint(conn, run.id)
    if found is None and config.start_from is not None:
        raise RunError(
            f"Run {run.id} began with version {config.start_from} of another run, and no checkpoint of its own is "
            f"left: start it anew with `ganns train start_from={config.start_from}`, if that version is still there."
        )
    if found is None:
        state, source = TrainingState(config), "its beginning"
    else:
        number, digest, data = found
        state, source = TrainingState.from_bytes(config, data, digest), f"the checkpoint of version {number}"
        files.put(number, data)
    back_to = state.progress.version
    with conn.transaction():
        lease.hold_lease(conn, run.id, generation)
        if back_to < version:
            weights.undo_versions(conn, run.id, back_to)
        runs.set_progress(conn, run.id, version=back_to, images=state.progress.images)
    if back_to < version:
        say(f"this machine has no state of version {version}; going on from {source}")
    return state
