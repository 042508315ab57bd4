"""Units that workers hold for long."""

from __future__ import annotations

from dataclasses import dataclass

from ganns.db.connect import Connection
from ganns.db.queries import execute


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


def let_back(conn: Connection, run_id: int, round_: int) -> int:
    """Let those who held a unit too long have it again, where no other live worker could take it.

    Returns:
        How many workers were let back.
    """
    return execute(conn, "let_back", run_id=run_id, round=round_).rowcount


def locked_units(conn: Connection, run_id: int, round_: int, longer_than_s: float) -> list[LockedUnit]:
    """Return the units of an open round whose waiting job was locked by a transaction for longer than this."""
    found = execute(conn, "locked_units", run_id=run_id, round=round_, longer_than_s=longer_than_s)
    return [LockedUnit(**row) for row in found]


def forget_overdue(conn: Connection, run_id: int) -> None:
    """Forget attempts that held a unit too long, a day later."""
    execute(conn, "delete_old_overdue", run_id=run_id)
