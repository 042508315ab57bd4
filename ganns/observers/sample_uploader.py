"""Sample grids on their way into the database: behind the rounds, on a thread and connections of its own.

A round never waits for a picture, and a picture that cannot be stored never ends a run: it is tried again with the next
one, and in the end it is only a picture.
"""

from __future__ import annotations

import io
import logging
import threading
from collections import deque
from pathlib import Path

import psycopg
from PIL import Image

from ganns.db.address import Address
from ganns.db.connect import connect
from ganns.errors import DatabaseUnreachable
from ganns.store.samples import put_sample

log = logging.getLogger(__name__)

WAITING = 20
"""While the database is away, so many grids wait; older ones are dropped."""


class Gallery:
    """A thread that stores grids."""

    def __init__(self, address: Address) -> None:
        """Start the thread; it connects when there is something to store."""
        self._address = address
        self._wanted = threading.Condition()
        self._grids: deque[tuple[int, int, Path]] = deque(maxlen=WAITING)
        self._new = self._stopping = False
        self._thread = threading.Thread(target=self._run, name="gallery", daemon=True)
        self._thread.start()

    def keep(self, run_id: int, version: int, path: Path) -> None:
        """Store the grid in a PNG file, soon."""
        with self._wanted:
            self._grids.append((run_id, version, path))
            self._new = True
            self._wanted.notify()

    def close(self) -> None:
        """Store what is left, if it can be done, and stop."""
        with self._wanted:
            self._stopping = True
            self._wanted.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._wanted:
                self._wanted.wait_for(lambda: self._new or self._stopping)
                if not self._new:
                    return
                self._new = False
            try:
                self._store()
            except (psycopg.OperationalError, DatabaseUnreachable) as error:
                log.warning("the database is away; grids of samples are tried again with the next one: %s", error)

    def _store(self) -> None:
        with connect(self._address, application="ganns coordinator: samples") as conn:
            while True:
                with self._wanted:
                    if not self._grids:
                        return
                    run_id, version, path = grid = self._grids[0]
                try:
                    put_sample(conn, run_id, version, as_webp(path))
                except psycopg.OperationalError:
                    raise
                except (psycopg.Error, OSError) as error:  # of this grid alone: its file or its run was deleted
                    log.warning("the grid of version %s of run %s cannot be stored: %s", version, run_id, error)
                with self._wanted:
                    if self._grids and self._grids[0] == grid:  # not pushed out meanwhile
                        self._grids.popleft()


def as_webp(path: Path) -> bytes:
    """Return the picture in a file as WebP: an eighth of a PNG's bytes, and to the eye the same."""
    buffer = io.BytesIO()
    with Image.open(path) as picture:
        picture.convert("RGB").save(buffer, "WEBP", quality=90)
    return buffer.getvalue()
