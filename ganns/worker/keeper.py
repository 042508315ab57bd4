"""The supervisor's thread for the database: it speaks for the children, and does the rescue when no other process does.

- A child's heartbeat shares Python's lock with its task, so a long call into C silences it. While the process lives,
  this thread sends the heartbeat in its place, and asks if its job was revoked with `terminate`.
- When a child ends in any way, this thread says so: its jobs run elsewhere at once, not after 15 s of silence.
- The rescue (`ganns.queue.rescue`) needs one process in the class that holds its lease. A heartbeat answers if there is
  none; then this thread takes it, with or without a coordinator.

It connects only when there is something to do.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

import psycopg

from ganns.db.address import Address
from ganns.db.connect import Connection, connect, cut
from ganns.db.queries import execute
from ganns.errors import DatabaseUnreachable
from ganns.queue.rescue import MAX_DEATHS, Rescuer
from ganns.utils.backoff import backoff_s

log = logging.getLogger(__name__)

TICK_S = 1.0
IDLE_S = 5.0
ANSWER_S = 15.0
"""The longest time for the statements of one step; then the connection is cut."""
PAUSES_S = (0.5, 5.0)


class Keeper:
    """A thread with at most one connection. Its methods only leave a note for the thread, so none of them waits."""

    def __init__(self, address: Address, on_terminate: Callable[[int, int], None] = lambda worker, job: None) -> None:
        """Start the thread; it calls `on_terminate` with (worker, job) if a late worker's job must be killed."""
        self._address, self._on_terminate = address, on_terminate
        self._changed = threading.Condition()
        self._late: set[int] = set()
        self._ended: deque[int] = deque()
        self._is_vacant = self._is_closing = False
        self._rescuer = Rescuer()
        self.is_rescuing = False
        self._conn: Connection | None = None
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)
        self._thread.start()

    def beat_for(self, worker_id: int) -> None:
        """Send one heartbeat in the place of a worker that cannot."""
        with self._changed:
            self._late.add(worker_id)
            self._changed.notify_all()

    def ended(self, worker_id: int) -> None:
        """Hand on the jobs of a worker whose process has ended."""
        with self._changed:
            self._late.discard(worker_id)
            self._ended.append(worker_id)
            self._changed.notify_all()

    def rescue_is_vacant(self) -> None:
        """Take the lease of the rescue, if it is still free."""
        with self._changed:
            self._is_vacant = True
            self._changed.notify_all()

    def close(self, timeout_s: float) -> None:
        """Do what is noted, then end the thread; wait for it `timeout_s` seconds."""
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        self._thread.join(timeout_s)

    def _has_work(self) -> bool:
        return bool(self._late or self._ended or self._is_vacant)

    def _run(self) -> None:
        failures, used_at = 0, time.monotonic()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._has_work() or self._is_closing, TICK_S)
                is_closing, has_work = self._is_closing, self._has_work()
            if not has_work and (is_closing or not self.is_rescuing):
                if is_closing or time.monotonic() - used_at > IDLE_S:
                    self._disconnect()
                if is_closing:
                    return
                continue
            used_at = time.monotonic()
            try:
                self._step()
                failures = 0
            except (psycopg.Error, DatabaseUnreachable) as error:
                log.info("the supervisor's database: %s", error)
                self._disconnect()
                self.is_rescuing = False
                if is_closing:
                    return
                failures += 1
                time.sleep(backoff_s(failures - 1, *PAUSES_S))

    def _disconnect(self) -> None:
        conn, self._conn = self._conn, None
        if conn is not None:
            with suppress(psycopg.Error):
                conn.close()

    def _step(self) -> None:
        if self._conn is None or self._conn.closed or self._conn.broken:
            self._conn = connect(self._address, application="ganns supervisor")
        conn = self._conn
        timer = threading.Timer(ANSWER_S, cut, (conn,))
        timer.daemon = True
        timer.start()
        try:
            self._say_ended(conn)
            self._beat(conn)
            self._rescue(conn)
        finally:
            timer.cancel()

    def _say_ended(self, conn: Connection) -> None:
        while self._ended:
            # Only then out of the list: a lost connection repeats the statement, which does no harm.
            with suppress(psycopg.errors.InsufficientPrivilege):  # the database forgot the worker meanwhile
                execute(conn, "tasks_worker_ended", worker_id=self._ended[0], max_deaths=MAX_DEATHS)
            self._ended.popleft()

    def _beat(self, conn: Connection) -> None:
        with self._changed:
            late, self._late = self._late, set()
        for worker_id in late:
            row = execute(conn, "tasks_beat", worker_id=worker_id, held=None).fetchone()
            if row is not None and row["rescue_is_vacant"]:
                self._is_vacant = True
            for job in execute(conn, "tasks_aborts", worker_id=worker_id).fetchall():
                if job["terminate"]:
                    self._on_terminate(worker_id, job["id"])

    def _rescue(self, conn: Connection) -> None:
        if not (self.is_rescuing or self._is_vacant):
            return
        with suppress(psycopg.errors.InsufficientPrivilege):  # a login for workers only: the owner's programs rescue
            self.is_rescuing = self._rescuer.tick(conn) is not None
        self._is_vacant = False  # only now: a lost connection looks again
