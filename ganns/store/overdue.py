"""Units that workers hold for long, and workers that are left out of a run."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from ganns.db.connect import Connection
from ganns.db.queries import execute
from ganns.store.audits import Subject
from ganns.store.rounds import TASK


@dataclass(frozen=True)
class HeldUnit:
    """A unit without a result, and the worker that has it; times in seconds, by the server's clock."""

    unit: int
    images: int
    job_id: int
    attempt: int
    worker_id: int
    worker: str  # its name
    login: str
    held_s: float
    image_s: float | None  # its own usual time for an image, over its last units of this run; None: it has none yet
    transfer_s: float | None  # its own usual time on the network, for a unit
    slowest_image_s: float | None  # of the run's last accepted units


@dataclass(frozen=True)
class LockedUnit:
    """A unit whose waiting job is held by an open transaction."""

    unit: int
    pid: int  # the server process
    login: str
    held_s: float


def held_units(conn: Connection, run_id: int, round_: int, longer_than_s: float) -> list[HeldUnit]:
    """Return the units of an open round that a worker has had for longer than this, the oldest first."""
    found = execute(conn, "held_units", run_id=run_id, round=round_, longer_than_s=longer_than_s)
    return [HeldUnit(**row) for row in found]


def give_on(conn: Connection, held: HeldUnit) -> bool:
    """Queue a held unit again for another worker, as a new attempt; the present attempt's result is late from now on.

    Returns:
        False if it has just ended, its result has come, or a transaction holds it.
    """
    row = execute(conn, "give_on", job_id=held.job_id, attempt=held.attempt).fetchone()
    return bool(row and row["given"])


def locked_units(conn: Connection, run_id: int, round_: int, longer_than_s: float) -> list[LockedUnit]:
    """Return the units of an open round whose waiting job was locked by a transaction for longer than this."""
    found = execute(conn, "locked_units", run_id=run_id, round=round_, longer_than_s=longer_than_s)
    return [LockedUnit(**row) for row in found]


def forget_overdue(conn: Connection, run_id: int) -> None:
    """Forget attempts that held a unit too long, a day later."""
    execute(conn, "delete_old_overdue", run_id=run_id)


def identities(conn: Connection, worker_ids: Collection[int]) -> dict[int, Subject]:
    """Return who some workers are: a student's own login stands for all its workers, another one for one name."""
    rows = execute(conn, "who_are", worker_ids=list(worker_ids))
    return {row["worker_id"]: Subject(row["login"], row["worker"] if row["shared"] else "") for row in rows}


def exclude(conn: Connection, run_id: int, who: Subject, reason: str) -> None:
    """Leave someone out of a run, with a reason that they read; part of the caller's transaction."""
    execute(conn, "exclude", run_id=run_id, login=who.login, worker=who.name, reason=reason)
    enforce_exclusions(conn, run_id)


def enforce_exclusions(conn: Connection, run_id: int) -> None:
    """Give no unit of the run to those who are left out, also not to workers that registered since."""
    execute(conn, "enforce_exclusions", run_id=run_id, task=TASK)


def count_others(conn: Connection, run_id: int, who: Collection[Subject], silent_s: float) -> int:
    """Return the number of live workers that take units of a run and are none of these."""
    logins, workers = [one.login for one in who], [one.name for one in who]
    row = execute(conn, "count_others", run_id=run_id, silent_s=silent_s, logins=logins, workers=workers).fetchone()
    return int(row["num"]) if row else 0
