"""The class as a notebook shows it: the run, its losses, its newest grid, and the contribution of one name."""

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
from ganns.monitor.rows import clean
from ganns.monitor.snapshot import latest_run, look_at_run
from ganns.monitor.viewer import connect_viewer
from ganns.store.samples import get_sample

RATE_S = 60.0


@dataclass(frozen=True)
class ClassView:
    """The state of the class at one moment."""

    trouble: str = ""
    run: dict[str, Any] | None = None
    losses: dict[str, float | None] = field(default_factory=dict)
    units: int = 0
    images: int = 0
    images_per_s: float | None = None  # of this name, over the last minute
    sample: tuple[int, bytes] | None = None  # a version, and its grid as WebP


class ClassReader:
    """Reads the class's database with a read-only login; reconnects after an outage."""

    def __init__(self, address: Address, name: str) -> None:
        """Prepare to read the newest run and `name`'s contribution; nothing is connected yet."""
        self._address, self._name = address, name
        self._conn: Connection | None = None
        self._history: tuple[int, History] | None = None
        self._sample: tuple[int, int, bytes] | None = None  # run, version, picture
        self._done: deque[tuple[float, int]] = deque()

    def read(self) -> ClassView:
        """Return the present state; if the database cannot be read, `trouble` says why."""
        try:
            if self._conn is None or self._conn.closed or self._conn.broken:
                self._conn = connect_viewer(self._address, "ganns notebook")
            return self._read(self._conn)
        except psycopg.errors.InsufficientPrivilege:
            return ClassView(trouble="this login may only compute: ask your instructor for the dashboard's address")
        except psycopg.errors.UndefinedTable:
            return ClassView(trouble="this database is empty so far; your worker waits for it")
        except (psycopg.Error, DatabaseError):
            self.close()
            return ClassView(trouble=f"the database {self._address} does not answer; your worker tries again, too")

    def close(self) -> None:
        """Disconnect."""
        if self._conn is not None:
            self._conn.close()
            self._conn = None

    def _read(self, conn: Connection) -> ClassView:
        run_id = latest_run(conn)
        run = clean(look_at_run(conn, run_id)) if run_id is not None else None
        if run is None or run_id is None:
            return ClassView()
        parts = [part for part in look_at_person(conn, self._name)["runs"] if part["run"] == run_id]
        images = int(sum(part["images"] for part in parts))
        return ClassView(
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
