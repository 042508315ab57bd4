"""The coordinator's own disk: the whole state of the last two versions.

The state of version v + 1 is written *before* the transaction that publishes it. A crash in between leaves
the database at v, so v's file must still be there: two are kept. A file appears by `rename`, which is atomic:
it is either whole or not there.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from ganns.config import Config
from ganns.state import TrainingState

KEPT = 2


class StateFiles:
    """The state files of one run, in a folder named after the run's key."""

    def __init__(self, folder: Path) -> None:
        """Use `folder`, creating it if need be."""
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, version: int) -> Path:
        """Return the file of `version`."""
        return self.folder / f"version-{version}.safetensors"

    def versions(self) -> list[int]:
        """Return the versions that are there, oldest first."""
        matches = (re.fullmatch(r"version-(\d+)\.safetensors", path.name) for path in self.folder.iterdir())
        return sorted(int(match[1]) for match in matches if match)

    def save(self, state: TrainingState) -> None:
        """Write the state's version, and forget all but the last two (and any that were undone)."""
        version = state.progress.version
        partial = self.folder / "partial"
        state.save(str(partial))
        os.replace(partial, self.path(version))
        for other in self.versions():
            if not version - KEPT < other <= version:
                self.path(other).unlink(missing_ok=True)

    def load(self, config: Config, version: int) -> TrainingState | None:
        """Read the state of `version`, or return None if it is not on this disk."""
        path = self.path(version)
        return TrainingState.load(config, str(path)) if path.exists() else None

    def put(self, config: Config, version: int, data: bytes) -> TrainingState:
        """Write a checkpoint's bytes as the file of `version`, and read it."""
        partial = self.folder / "partial"
        partial.write_bytes(data)
        os.replace(partial, self.path(version))
        return TrainingState.load(config, str(self.path(version)))
