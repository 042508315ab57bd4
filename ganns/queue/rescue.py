"""The rescue: what happens to a job whose worker is gone, and whatever else time brings about.

One loop in the whole class does it, under a lease: a row with a generation. A rescuer that was itself stopped (a closed
lid, a debugger) comes back with an old generation and does nothing. Each step is one statement, so that no lock of
ours waits for a client; ages are the server's, so that no client's clock matters.
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
"""A worker without a heartbeat for so long counts as dead; live ones beat every 3 s, however slow their task."""
LEASE_S = 10.0
"""Another rescuer takes over when the lease was not renewed for so long."""
MAX_DEATHS = 3
"""A job that so many workers died of is poison, and is set aside as failed."""
PRUNE_S = 60.0
"""Workers silent for so long are taken off the list; one that comes back is put on it again."""
SWEEP_S = 60.0


@dataclass(frozen=True)
class Rescued:
    """A job that a dead worker had held."""

    job_id: int
    attempt: int  # the dead one's
    fate: str  # retried, revoked, time_limit, poison


def rescue(conn: Connection, *, silent_s: float = SILENT_S, max_deaths: int = MAX_DEATHS) -> list[Rescued]:
    """Queue the jobs of dead workers again, and wake somebody; end those that were revoked, too long, or poison.

    Without the lease: for callers who have one of their own, in their own transaction.
    """
    rows = execute(conn, "tasks_rescue", silent_s=silent_s, max_deaths=max_deaths).fetchall()
    return [Rescued(**row) for row in rows]


def sweep(conn: Connection, *, keep_s: float = 86400.0) -> None:
    """Delete finished jobs that left no result, after a day; it reads all events, so it is done now and then."""
    execute(conn, "tasks_sweep", keep_s=keep_s)


def upkeep(conn: Connection, *, prune_s: float = PRUNE_S) -> None:
    """Enforce deadlines, expire jobs and results, prune workers, cancel what closed groups left over."""
    execute(conn, "tasks_upkeep", prune_s=prune_s)


@dataclass
class Rescuer:
    """One candidate for the lease."""

    silent_s: float = SILENT_S
    lease_s: float = LEASE_S
    name: str = "rescue"
    holder: str = field(default_factory=lambda: f"{socket.gethostname()}:{os.getpid()}")
    generation: int = 0
    _swept_at: float = field(default_factory=time.monotonic)

    def tick(self, conn: Connection) -> list[Rescued] | None:
        """Do what is due if the lease is ours, or free; None if another holds it."""
        row = execute(
            conn,
            "tasks_lease",
            name=self.name,
            holder=self.holder,
            generation=self.generation,
            lease_s=self.lease_s,
        ).fetchone()
        if row is None or row["generation"] is None:
            self.generation = 0  # somebody took over while we were away: stand in line again
            return None
        self.generation = row["generation"]
        rescued = rescue(conn, silent_s=self.silent_s)
        upkeep(conn)
        if time.monotonic() > self._swept_at + SWEEP_S:
            self._swept_at = time.monotonic()
            sweep(conn)
        return rescued


def run(
    address: Address,
    stop: threading.Event,
    say: Callable[[str], None] = lambda text: None,
    *,
    interval_s: float = 1.0,
    rescuer: Rescuer | None = None,
) -> None:
    """Tick about once a second until `stop` is set; a server that is away is waited for."""
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
