"""Files on the coordinator's disk with the whole state of the last two versions.

The state of version v + 1 is written *before* the transaction that publishes it. A crash in between leaves
the database at v, so v's file must still be there: two are kept. A file gets its name by `rename`, which is
atomic: it is either complete or not there.
"""

from __future__ import annotations

import os
import re
import shutil
import threading
from pathlib import Path

from ganns.config import Config
from ganns.training.serialization import digest
from ganns.training.state import TrainingState
from ganns.utils.atomic import replacing

PATTERN = r"version-(\d+)-[0-9a-f]+\.safetensors"


class StateFiles:
    """The state files of one run, in a folder named after the run's key."""

    def __init__(self, folder: Path) -> None:
        """Use `folder`, and create it if it is not there."""
        self.folder = folder
        self._partial = folder / "partial"
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, version: int) -> Path | None:
        """Return the file of `version`, or None if it is not there."""
        return self._files().get(version)

    def _files(self) -> dict[int, Path]:
        """Return the files by version, oldest first. A file's name ends with the digest of its content."""
        matches = ((re.fullmatch(PATTERN, path.name), path) for path in self.folder.iterdir())
        return dict(sorted((int(match[1]), path) for match, path in matches if match))

    def save(self, state: TrainingState) -> None:
        """Write the state over the file of the oldest version, so that two files are there before and after."""
        version = state.progress.version
        with self._lock:
            spare = [path for other, path in self._files().items() if other != version - 1]
            for path in spare[1:]:
                path.unlink()
            if spare:
                os.replace(spare[0], self._partial)
            digest = state.save(self._partial)
            os.replace(self._partial, self.folder / f"version-{version}-{digest}.safetensors")

    def load(self, config: Config, version: int) -> TrainingState | None:
        """Return the state of `version`, or None if it is not on this disk, or damaged."""
        data = self.read(version)
        return None if data is None else TrainingState.from_bytes(config, data)

    def read(self, version: int) -> bytes | None:
        """Return the bytes of the file of `version`; None if it is not there, or damaged.

        After a power failure a file can have its name but not its content: it was renamed but not flushed, since a
        flush of 90 MB would delay every round. The digest shows this; then the checkpoint in the database is used.
        """
        with self._lock:  # `save` may write over it
            path = self.path(version)
            if path is None:
                return None
            data = path.read_bytes()
        return data if digest(data) in path.name else None

    def put(self, version: int, data: bytes) -> None:
        """Write a checkpoint's bytes as the file of `version`."""
        with replacing(self.folder / f"version-{version}-{digest(data)}.safetensors") as part:
            part.write_bytes(data)

    def clear(self) -> None:
        """Delete the run's folder: it is finished, and its last state is a checkpoint in the database."""
        with self._lock:
            shutil.rmtree(self.folder, ignore_errors=True)
