"""Files on the coordinator's disk with the whole state of the last two versions.

The state of version v + 1 is written *before* the transaction that publishes it. A crash in between leaves
the database at v, so v's file must still be there: two are kept. A file gets its name by `rename`, which is
atomic: it is either complete or not there.

A number alone does not say which state a file has. After another machine went on from an older checkpoint, the database
has another version 33 than this disk. A file's name ends with the digest of its content, and the database says which
digest is the run's version.

With `db.keep_state_every` every k-th of them is kept beside, in the folder `kept` (`ganns/store/kept_states.py`).
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path

from ganns.config import Config
from ganns.store.kept_states import KeptStates, read_state, state_files
from ganns.training.serialization import digest
from ganns.training.state import TrainingState
from ganns.utils.atomic import replacing


class StateFiles:
    """The state files of one run, in a folder named after the run's key."""

    def __init__(self, folder: Path, kept: KeptStates | None = None) -> None:
        """Use `folder`, and create it if it is not there; `kept` may keep states for longer."""
        self.folder, self._kept = folder, kept
        self._partial = folder / "partial"
        self._lock = threading.Lock()
        self._current: Path | None = None  # the state of which the next one is made
        folder.mkdir(parents=True, exist_ok=True)

    def _files(self) -> dict[Path, tuple[int, str]]:
        """Return the version and the digest of each file, oldest version first."""
        return state_files(self.folder)

    def save(self, state: TrainingState) -> str:
        """Write the state over the oldest file but the current state's, so that two files are there; return its digest.

        Until the state is published, a restart needs the state of which it was made.
        """
        with self._lock:
            spare = [path for path in self._files() if path != self._current]
            for path in spare[1:]:
                path.unlink()
            if spare and spare[0].stat().st_nlink == 1:
                os.replace(spare[0], self._partial)
            elif spare:  # it is kept, so its content must stay: this name goes, and a new file is written
                spare[0].unlink()
            found = state.save(self._partial)
            self._current = self._path(state.progress.version, found)
            os.replace(self._partial, self._current)
            if self._kept:
                with suppress(OSError):  # a state that is not kept costs a replay some time, and no round
                    self._kept.keep(self._current, state.progress.version)
        return found

    def _path(self, version: int, found: str) -> Path:
        return self.folder / f"version-{version}-{found}.safetensors"

    def load(self, config: Config, version: int, expected: str) -> TrainingState | None:
        """Return the state of `version` with the digest `expected`, or None if it is not on this disk, or damaged."""
        data = self.read(version, expected)
        if data is None:
            return None
        self._current = self._path(version, expected)
        return TrainingState.from_bytes(config, data)

    def read(self, version: int, expected: str | None = None) -> bytes | None:
        """Return the bytes of the file of `version`; None if it is not there, or damaged.

        After a power failure a file can have its name but not its content: it was renamed but not flushed, since a
        flush of 90 MB would delay every round. The digest shows this; then the checkpoint in the database is used.

        Args:
            version: its number.
            expected: the digest that the file must have; None: any, where the folder has files of one history alone.
        """
        with self._lock:  # `save` may write over it
            for path, (number, named) in self._files().items():
                if number == version and expected in (None, named):
                    return read_state(path)
        return None

    def put(self, version: int, data: bytes) -> None:
        """Write a checkpoint's bytes as the file of `version`; it is the current state."""
        self._current = self._path(version, digest(data))
        with replacing(self._current) as part:
            part.write_bytes(data)

    def forget_others(self) -> list[tuple[int, str]]:
        """Delete all files but the current state's; return their versions and digests, oldest first."""
        with self._lock:
            others = {path: named for path, named in self._files().items() if path != self._current}
            for path in others:
                path.unlink()
        return list(others.values())

    def clear(self) -> None:
        """Delete all but the kept states: the run is finished, and its last state is a checkpoint in the database."""
        with self._lock, suppress(OSError):
            for path in self.folder.iterdir():
                if path.is_file():
                    path.unlink()
            self.folder.rmdir()  # fails if states are kept in it
