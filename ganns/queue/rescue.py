"""The rescue: requeue dead workers' jobs; enforce deadlines and expiry.

One process in the whole class does it, under a lease: a row with a generation. A rescuer that was stopped itself (a
closed lid, a debugger) returns with an old generation and does nothing. Each step is one statement, so no lock waits
for a client. The server computes all ages, so no client's clock matters.
"""

from __future__ import annotations

import os
import random
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import psycopg

from ganns.db.address import Address
from ganns.db.connect import Connection, connect
from ganns.db.queries import execute
from ganns.errors import DatabaseUnreachable

SILENT_S = 15.0
"""A worker without a heartbeat for this time counts as dead. Live ones send one every 3 s, also during a slow task."""
LEASE_S = 10.0
"""Another rescuer takes over when the lease was not renewed for this time."""
MAX_DEATHS = 3
"""A job during which this number of workers died is poison: it is marked as failed."""
PRUNE_S = 60.0
"""Workers without a heartbeat for this time are removed from the list; one that returns is added again."""
DELETE_EVERY_S = 60.0


@dataclass(frozen=True)
class Rescued:
    """A job of a dead worker."""

    job_id: int
    attempt: int  # the dead worker's
    fate: str  # retried, revoked, time_limit, poison


def rescue(conn: Connection, *, silent_s: float = SILENT_S, max_deaths: int = MAX_DEATHS) -> list[Rescued]:
    """Queue the jobs of dead workers again, and wake workers; end the jobs that were revoked, too long, or poison.

    It needs no lease here: callers may have one of their own, in their own transaction.
    """
    rows = execute(conn, "tasks_rescue", silent_s=silent_s, max_deaths=max_deaths).fetchall()
    return [Rescued(**row) for row in rows]


def delete_finished_jobs(conn: Connection, *, keep_s: float = 86400.0) -> None:
    """Delete finished jobs without a result that are older than a day. It reads all events, so call it seldom."""
    execute(conn, "tasks_sweep", keep_s=keep_s)


def enforce_deadlines(conn: Connection, *, prune_s: float = PRUNE_S) -> None:
    """Enforce deadlines, expire jobs and results, remove silent workers, cancel the remaining jobs of closed groups."""
    execute(conn, "tasks_upkeep", prune_s=prune_s)


@dataclass
class Rescuer:
    """A process that does the rescue whenever it holds the lease."""

    silent_s: float = SILENT_S
    lease_s: float = LEASE_S
    name: str = "rescue"
    holder: str = field(default_factory=lambda: f"{socket.gethostname()}:{os.getpid()}")
    generation: int = 0
    _deleted_at: float = field(default_factory=time.monotonic)

    def tick(self, conn: Connection) -> list[Rescued] | None:
        """Take or keep the lease and do the work that is due; return None if another process holds the lease."""
        row = execute(
            conn,
            "tasks_lease",
            name=self.name,
            holder=self.holder,
            generation=self.generation,
            lease_s=self.lease_s,
        ).fetchone()
        if row is None or row["generation"] is None:
            self.generation = 0  # another process took over in the meantime: wait for the lease again
            return None
        self.generation = row["generation"]
        rescued = rescue(conn, silent_s=self.silent_s)
        enforce_deadlines(conn)
        if time.monotonic() > self._deleted_at + DELETE_EVERY_S:
            self._deleted_at = time.monotonic()
            delete_finished_jobs(conn)
        return rescued


def run(
    address: Address,
    stop: threading.Event,
    say: Callable[[str], None] = lambda text: None,
    *,
    interval_s: float = 1.0,
    rescuer: Rescuer | None = None,
) -> None:
    """Do the rescue about once a second until `stop` is set; wait for a server that is away."""
    rescuer = rescuer or Rescuer()
    conn: Connection | None = None
    held: bool | None = None
    while not stop.is_set():
        try:
            if conn is None or conn.closed or conn.broken:
                conn = connect(address, application="ganns tasks rescue")
            rescued = rescuer.tick(conn)
            if held != (rescued is not None):
                held = rescued is not None
                say("rescuing" if held else "another rescuer is at work; waiting in case it stops")
            for one in rescued or []:
                say(f"job {one.job_id}, attempt {one.attempt + 1}: its worker is gone; {one.fate}")
        except (psycopg.Error, DatabaseUnreachable) as error:
            say(f"the database is away ({type(error).__name__}); trying again")
            if conn is not None:
                with suppress(psycopg.Error):
                    conn.close()
            conn, held = None, None
        stop.wait(interval_s * random.uniform(0.8, 1.2))
    if conn is not None:
        conn.close()
