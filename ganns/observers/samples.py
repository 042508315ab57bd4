"""Grids of samples during a run: saved as files, and stored in the database on a thread and a connection of its own.

A round never waits for a picture, and a picture that cannot be stored does not end a run: it is tried again later, and
left out in the end.
"""

from __future__ import annotations

import io
import logging
from pathlib import Path

import psycopg
from PIL import Image

from ganns.coordinator.connections import SIDE_LOCK_S
from ganns.db.address import Address
from ganns.db.connect import Connection, connect
from ganns.errors import DatabaseUnreachable
from ganns.pictures.grid import grid, save
from ganns.store.samples import put_sample
from ganns.store.sessions import limit_lock_waits
from ganns.training.seeds import sample_noise
from ganns.training.state import TrainingState
from ganns.utils.background import Background

log = logging.getLogger(__name__)

NUM_WAITING = 20
"""Number of grids that wait while the database is away; older ones are left out."""


class SampleGrids:
    """Saves grids of samples as PNG files, from the same noise at every version."""

    def __init__(self, folder: Path) -> None:
        """Save into `folder` (created with the first grid)."""
        self.folder = folder
        self.saved: list[tuple[int, Path]] = []

    def save(self, state: TrainingState) -> Path:
        """Draw the averaged generator's samples and save them; return the file."""
        version = state.progress.version
        path = self.folder / f"version-{version:06}.png"
        save(grid(state.draw(sample_noise(state.config), averaged=True)), path)
        if (version, path) not in self.saved:
            self.saved.append((version, path))
        return path


class SampleUploader:
    """Stores grids of samples in the database, in the background."""

    def __init__(self, address: Address) -> None:
        """Start the thread; it connects when there is a grid to store."""
        self._background: Background[Connection, tuple[int, int, Path]] = Background(
            "samples",
            lambda: _connect(address),
            _store,
            (psycopg.OperationalError, DatabaseUnreachable),
            num_kept=NUM_WAITING,
            stay_connected=False,
        )

    def upload(self, run_id: int, version: int, path: Path) -> None:
        """Store the grid in a PNG file, soon."""
        self._background.put((run_id, version, path))

    def close(self) -> None:
        """Store the grids that are left, if the database can be reached, and stop."""
        self._background.close()


def _connect(address: Address) -> Connection:
    conn = connect(address, application="ganns coordinator: samples")
    limit_lock_waits(conn, SIDE_LOCK_S)
    return conn


def _store(conn: Connection, saved: tuple[int, int, Path]) -> None:
    run_id, version, path = saved
    try:
        put_sample(conn, run_id, version, as_webp(path))
    except psycopg.OperationalError:
        raise
    except (psycopg.Error, OSError) as error:  # an error of this grid alone: its file or its run was deleted
        log.warning("the grid of version %s of run %s cannot be stored: %s", version, run_id, error)


def as_webp(path: Path) -> bytes:
    """Return the picture in a file as WebP: an eighth of a PNG's bytes, and it looks the same."""
    buffer = io.BytesIO()
    with Image.open(path) as picture:
        picture.convert("RGB").save(buffer, "WEBP", quality=90)
    return buffer.getvalue()
