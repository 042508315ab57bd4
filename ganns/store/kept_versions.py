"""The versions of a run whose whole state can be had at once: on this machine, in the database, or from the seed.

In the database are the newest checkpoint and the best version. Files are there on the coordinator's machine: the two
newest states while a run goes on, and those that `db.keep_state_every` keeps.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ganns import paths
from ganns.config import Config
from ganns.db.connect import Connection
from ganns.errors import RunError
from ganns.store import replay, weights
from ganns.store.kept_states import FOLDER, read_state, state_files
from ganns.store.runs import Run
from ganns.training.serialization import digest
from ganns.training.state import TrainingState


@dataclass
class KeptVersions:
    """The versions of a run whose whole state is on this machine, in the database, or follows from the seed."""

    run: Run
    config: Config
    conn: Connection
    _files: dict[int, tuple[Path, str]] = field(default_factory=dict)
    _checkpoints: dict[int, str] = field(default_factory=dict)

    @classmethod
    def of(cls, conn: Connection, run: Run, config: Config, *, passing: bool = True) -> KeptVersions:
        """Return the versions of `run`, whose configuration is `config`.

        Without `passing`, the two states are left out that the coordinator writes over with the next rounds.
        """
        found = cls(run, config, conn, _checkpoints=replay.list_checkpoints(conn, run.id))
        folder = paths.home() / "state" / run.key
        files = state_files(folder / FOLDER) | (state_files(folder) if passing else {})
        if files:
            digests = replay.list_state_digests(conn, run.id, run.version)
            found._files = {
                number: (path, named) for path, (number, named) in files.items() if digests.get(number) == named
            }
        return found

    def numbers(self) -> list[int]:
        """Return the versions in order."""
        return sorted(self.digests())

    def digests(self) -> dict[int, str]:
        """Return the digest of each version's state; "" for version 0 if it follows from the seed alone."""
        from_seed = {0: ""} if self.config.start_from is None else {}
        return from_seed | {number: named for number, (_, named) in self._files.items()} | self._checkpoints

    def require(self, version: int) -> None:
        """Raise RunError if the run has no such version."""
        if version > self.run.version:
            raise RunError(f"Run {self.run.id} has no version {version}: its newest is {self.run.version}.")

    def load(self, version: int) -> TrainingState | None:
        """Return the state of a version; None if it is not kept, or not any more."""
        data = read_state(self._files[version][0]) if version in self._files else None
        if data is None and (expected := self._checkpoints.get(version)) is not None:
            data = weights.read_checkpoint(self.conn, self.run.id, version, expected)
            data = data if digest(data) == expected else None  # deleted meanwhile
        if data is not None:
            return TrainingState.from_bytes(self.config, data)
        return TrainingState(self.config) if version == 0 and self.config.start_from is None else None
