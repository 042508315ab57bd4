"""Behind the rounds: delete what closed rounds left, reuse its space, store a checkpoint now and then.

It runs on a thread and a connection of its own, so that a round never waits for it. Whatever it misses when
the coordinator is killed, it does after the next start: everything here can be done twice.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

import psycopg

from ganns.coordinator.state_files import StateFiles
from ganns.db.address import Address
from ganns.db.connect import connect
from ganns.errors import DatabaseError
from ganns.queue.results import forget_groups
from ganns.store import results, rounds, weights

log = logging.getLogger(__name__)

VACUUM_BYTES = 8 << 20
"""Deleted rows keep their space until a VACUUM. It runs after so many deleted bytes: a large model after every
round, so that the tables never hold more than two rounds' worth and stay in the server's memory."""
PAUSE_S = 0.5
"""Between two turns. Where rounds take milliseconds, several are cleaned up at once."""
LATE_ROUNDS = 20
"""Units are remembered for so many rounds after theirs, to credit late results."""


class Cleanup:
    """A thread that follows the run's versions."""

    def __init__(
        self, address: Address, run_id: int, generation: int, files: StateFiles, *, keep: int, checkpoint_s: float
    ) -> None:
        """Start the thread; it does nothing until `after_version` is called."""
        self._address, self._run_id, self._generation, self._files = address, run_id, generation, files
        self._keep, self._checkpoint_s = keep, checkpoint_s
        self._wanted = threading.Condition()
        self._version: int | None = None
        self._deleted_bytes = 0
        self._groups: deque[tuple[int, int]] = deque()
        self._stopping = False
        self._checkpoint_at = time.monotonic() + checkpoint_s
        self._thread = threading.Thread(target=self._run, name="cleanup", daemon=True)
        self._thread.start()

    def after_version(self, version: int, deleted_bytes: int, groups: Sequence[int]) -> None:
        """Say that `version` was published, how many bytes its round took, and which task groups were behind it."""
        with self._wanted:
            self._version = version
            self._groups.extend((version, group) for group in groups)
            self._deleted_bytes += deleted_bytes
            self._wanted.notify()

    def close(self) -> None:
        """Finish the work in hand and stop."""
        with self._wanted:
            self._stopping = True
            self._wanted.notify()
        self._thread.join()

    def _run(self) -> None:
        conn = None
        while True:
            with self._wanted:
                self._wanted.wait_for(lambda: self._stopping, timeout=PAUSE_S)
                self._wanted.wait_for(lambda: self._version is not None or self._stopping)
                version, self._version = self._version, None
                if version is None:
                    break
            try:
                if conn is None or conn.closed:
                    conn = connect(self._address, application="ganns coordinator: cleanup")
                self._clean(conn, version)
                self._checkpoint(conn, version)
            except (psycopg.Error, DatabaseError, OSError) as error:
                log.warning("cleanup could not finish and will try after the next round: %s", error)
                if conn is not None:
                    with suppress(psycopg.Error):
                        conn.close()
        if conn is not None:
            conn.close()

    def _clean(self, conn: psycopg.Connection, version: int) -> None:
        results.forget_results(conn, self._run_id, version)
        weights.forget_weights(conn, self._run_id, version, self._generation, self._keep)
        rounds.forget_rounds(conn, self._run_id, version - LATE_ROUNDS)
        # A round later: its workers have ended their jobs by then.
        old = []
        with self._wanted:
            while self._groups and self._groups[0][0] < version:
                old.append(self._groups.popleft()[1])
        if old:
            forget_groups(old, connection=conn)
        if self._deleted_bytes >= VACUUM_BYTES:
            self._deleted_bytes = 0
            weights.vacuum(conn)

    def _checkpoint(self, conn: psycopg.Connection, version: int) -> None:
        if time.monotonic() >= self._checkpoint_at and (data := self._files.read(version)) is not None:
            weights.put_checkpoint(conn, self._run_id, version, data)
            self._checkpoint_at = time.monotonic() + self._checkpoint_s
