"""What a notebook shows of the class: the run, its losses and newest grid, and what was contributed under a name."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import psycopg

from ganns.db.address import Address
from ganns.db.connect import Connection
from ganns.errors import DatabaseError
from ganns.monitor.history import History
from ganns.monitor.people import look_at_person
from ganns.monitor.snapshot import latest_run, look_at_run
from ganns.monitor.viewer import connect_viewer
from ganns.store.samples import get_sample

RATE_S = 60.0


@dataclass(frozen=True)
class Seen:
    """One look."""

    trouble: str = ""
    run: dict[str, Any] | None = None
    losses: dict[str, float | None] = field(default_factory=dict)
    units: int = 0
    images: int = 0
    images_per_s: float | None = None  # mine, over the last minute
    sample: tuple[int, bytes] | None = None  # a version, and its grid as WebP


class Look:
    """Reads the class's database as one who may write nothing; connects again when the server was away."""

    def __init__(self, address: Address, name: str) -> None:
        """Watch the run that is trained, and `name`'s part of it; nothing is connected yet."""
        self._address, self._name = address, name
        self._conn: Connection | None = None
        self._history: tuple[int, History] | None = None
        self._sample: tuple[int, int, bytes] | None = None  # run, version, picture
        self._done: deque[tuple[float, int]] = deque()

    def look(self) -> Seen:
        """Return how it is now; what hinders us is in it, in words."""
        try:
            if self._conn is None or self._conn.closed or self._conn.broken:
                self._conn = connect_viewer(self._address, "ganns notebook")
            return self._look(self._conn)
        except psycopg.errors.InsufficientPrivilege:
            return Seen(trouble="this login may compute, but not look: ask your instructor for the dashboard's address")
        except psycopg.errors.UndefinedTable:
            return Seen(trouble="this database is empty so far; your worker waits for it")
        except (psycopg.Error, DatabaseError):
            self.close()
            return Seen(trouble=f"the database {self._address} does not answer; your worker tries again, too")

    def close(self) -> None:
        """Disconnect."""
        if self._conn is not None:
            self._conn.close()
            self._conn = None

    def _look(self, conn: Connection) -> Seen:
        run_id = latest_run(conn)
        run = look_at_run(conn, run_id) if run_id is not None else None
        if run is None or run_id is None:
            return Seen()
        parts = [part for part in look_at_person(conn, self._name)["runs"] if part["run"] == run_id]
        images = int(sum(part["images"] for part in parts))
        return Seen(
            run=run,
            losses=self._losses(conn, run_id),
            units=int(sum(part["units"] for part in parts)),
            images=images,
            images_per_s=self._rate(images),
            sample=self._newest(conn, run_id, run["samples"]),
        )

    def _losses(self, conn: Connection, run_id: int) -> dict[str, float | None]:
        if self._history is None or self._history[0] != run_id:
            self._history = run_id, History(run_id)
            self._done.clear()
        self._history[1].look(conn)
        last = self._history[1].columns(last=1)
        return {key: last[key][-1] for key in ("d_loss", "g_loss") if last.get(key)}

    def _rate(self, images: int) -> float | None:
        now = time.monotonic()
        self._done.append((now, images))
        while now - self._done[0][0] > RATE_S:
            self._done.popleft()
        begun, before = self._done[0]
        return (images - before) / (now - begun) if images > before else None

    def _newest(self, conn: Connection, run_id: int, versions: list[int]) -> tuple[int, bytes] | None:
        if not versions:
            return None
        if self._sample is None or self._sample[:2] != (run_id, versions[-1]):
            picture = get_sample(conn, run_id, versions[-1])
            self._sample = (run_id, versions[-1], picture) if picture else None
        return self._sample and self._sample[1:]
