"""The coordinator's own disk: the whole state of the last two versions.

The state of version v + 1 is written *before* the transaction that publishes it. A crash in between leaves
the database at v, so v's file must still be there: two are kept. A file appears by `rename`, which is atomic:
it is either whole or not there.
"""

from __future__ import annotations

import os
import re
import threading
from pathlib import Path

from ganns.config import Config
from ganns.state import TrainingState


class StateFiles:
    """The state files of one run, in a folder named after the run's key."""

    def __init__(self, folder: Path) -> None:
        """Use `folder`, creating it if need be."""
        self.folder = folder
        self._partial = folder / "partial"
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, version: int) -> Path:
        """Return the file of `version`."""
        return self.folder / f"version-{version}.safetensors"

    def versions(self) -> list[int]:
        """Return the versions that are there, oldest first."""
        matches = (re.fullmatch(r"version-(\d+)\.safetensors", path.name) for path in self.folder.iterdir())
        return sorted(int(match[1]) for match in matches if match)

    def save(self, state: TrainingState) -> None:
        """Write the state's version over the file of the oldest, so that two are there before and after."""
        version = state.progress.version
        with self._lock:
            spare = [other for other in self.versions() if other != version - 1]
            for other in spare[1:]:
                self.path(other).unlink()
            if spare:
                os.replace(self.path(spare[0]), self._partial)
            state.save(self._partial)
            os.replace(self._partial, self.path(version))

    def load(self, config: Config, version: int) -> TrainingState | None:
        """Read the state of `version`, or return None if it is not on this disk."""
        data = self.read(version)
        return None if data is None else TrainingState.from_bytes(config, data)

    def read(self, version: int) -> bytes | None:
        """Return the file of `version` as it is (for a checkpoint), or None if it is not there."""
        with self._lock:  # `save` may be about to write over it
            path = self.path(version)
            return path.read_bytes() if path.exists() else None

    def put(self, version: int, data: bytes) -> None:
        """Write a checkpoint's bytes as the file of `version`."""
        self._partial.write_bytes(data)
        os.replace(self._partial, self.path(version))
