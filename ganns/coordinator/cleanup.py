"""Delete the rows of closed rounds and old blobs, reuse the space, and store a checkpoint now and then.

It runs on a thread and a connection of its own, so that a round never waits for it. If it misses something when
the coordinator is killed, it does this after the next start: every step here can be done twice.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence

import psycopg

from ganns.coordinator.connections import SIDE_LOCK_S, connect_own
from ganns.coordinator.state_files import StateFiles
from ganns.db.address import Address
from ganns.db.connect import Connection
from ganns.errors import DatabaseError
from ganns.queue.results import forget_groups
from ganns.store import overdue, results, rounds, weights
from ganns.store.object_store import ObjectStore
from ganns.utils.background import Background

VACUUM_BYTES = 8 << 20
"""Deleted rows keep their space until a VACUUM. It runs after this number of deleted bytes: for a large model after
every round, so that the tables never hold more than two rounds' worth and stay in the server's memory."""
PAUSE_S = 0.5
"""Pause between two cleanups. Where rounds take milliseconds, one cleanup is for several rounds."""
LATE_ROUNDS = 20
"""Number of rounds for which the units of a closed round are kept, to credit late results."""


class Cleanup:
    """Cleans up after each new version of a run, in the background."""

    def __init__(
        self,
        address: Address,
        run_id: int,
        generation: int,
        files: StateFiles,
        store: ObjectStore | None = None,
        *,
        keep: int,
        checkpoint_s: float,
    ) -> None:
        """Start the thread; it does nothing until `after_version` is called."""
        self._run_id, self._generation, self._files = run_id, generation, files
        self._store, self._keep, self._checkpoint_s = store, keep, checkpoint_s
        self._deleted_bytes = 0
        self._groups: deque[tuple[int, int]] = deque()
        self._checkpoint_at = time.monotonic() + checkpoint_s
        self._background: Background[Connection, int] = Background(
            "cleanup",
            lambda: connect_own(address, run_id, "cleanup", SIDE_LOCK_S),
            self._clean,
            (psycopg.Error, DatabaseError, OSError),
            pause_s=PAUSE_S,
        )

    def after_version(self, version: int, deleted_bytes: int, groups: Sequence[int]) -> None:
        """Take note that `version` was published, of the bytes that its round took, and of the round's task groups."""
        self._groups.extend((version, group) for group in groups)
        self._deleted_bytes += deleted_bytes
        self._background.put(version)

    def close(self) -> None:
        """Finish the work that is left and stop."""
        self._background.close()

    def _clean(self, conn: Connection, version: int) -> None:
        results.forget_results(conn, self._run_id, version)
        weights.forget_weights(conn, self._run_id, version, self._generation, self._keep)
        oldest = (
            weights.forget_places(conn, self._run_id, version, self._generation, self._keep) if self._store else None
        )
        rounds.revoke_left_over(conn, self._run_id)
        rounds.forget_rounds(conn, self._run_id, version - LATE_ROUNDS)
        overdue.forget_overdue(conn, self._run_id)
        # A round later: its workers have ended their jobs by then.
        old = []
        while self._groups and self._groups[0][0] < version:
            old.append(self._groups.popleft()[1])
        if old:
            forget_groups(old, connection=conn)
        if self._deleted_bytes >= VACUUM_BYTES:
            self._deleted_bytes = 0
            weights.vacuum(conn)
        if time.monotonic() >= self._checkpoint_at and (data := self._files.read(version)) is not None:
            weights.put_checkpoint(conn, self._run_id, version, data)
            self._checkpoint_at = time.monotonic() + self._checkpoint_s
        if self._store and oldest is not None:  # last, because the store may be slow
            self._store.delete_before(oldest)
