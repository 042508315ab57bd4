"""The lease, which makes a process the only coordinator of a run; and which workers are alive."""

from __future__ import annotations

import getpass
import os
import socket
from dataclasses import dataclass
from typing import Any

from ganns.db.connect import Connection
from ganns.db.queries import execute
from ganns.errors import LeaseLost

LEASE_S = 30.0
"""A coordinator that has not prolonged its lease for this time may be replaced, even if its connection is open."""


@dataclass(frozen=True)
class Wish:
    """An instructor's command to a run; see `ganns/coordinator/commands.py`."""

    wanted: str = "run"  # or "pause" or "stop"
    units: int | None = None  # the quorum from the next round on; None: as configured


def acquire_lease(conn: Connection, run_id: int, lease_s: float = LEASE_S) -> int:
    """Become the run's only coordinator and return the new generation.

    Raises:
        LeaseLost: if another coordinator holds the run.
    """
    holder = f"{myself()} (process {os.getpid()})"
    row = execute(conn, "acquire_lease", run_id=run_id, holder=holder, lease_s=lease_s).fetchone()
    if row is not None:
        return int(row["generation"])
    other = execute(conn, "lease_holder", run_id=run_id).fetchone() or {}
    raise LeaseLost(
        f"Run {run_id} already has a coordinator: {other.get('lease_holder')}, whose lease runs for another "
        f"{other.get('seconds_left') or 0:.0f} s. Stop that one with Ctrl-C first, or start a run of your own."
    )


def myself() -> str:
    """Return the user of this process: user@host."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in some containers
        user = "unknown"
    return f"{user}@{socket.gethostname()}"


def hold_lease(conn: Connection, run_id: int, generation: int, lease_s: float = LEASE_S) -> Wish:
    """Prolong the lease and return the instructor's command.

    Inside a transaction no other process can take the lease, or change the command, until the transaction ends.

    Raises:
        LeaseLost: if another coordinator took over.
    """
    row = execute(conn, "hold_lease", run_id=run_id, generation=generation, lease_s=lease_s).fetchone()
    if row is None:
        raise LeaseLost(
            f"Run {run_id} was taken over by another coordinator while this one did not answer; "
            "nothing was overwritten. `ganns runs` shows the new one."
        )
    return Wish(**row)


def release_lease(conn: Connection, run_id: int, generation: int) -> None:
    """End the lease, so that the next coordinator need not wait."""
    execute(conn, "release_lease", run_id=run_id, generation=generation)


def count_alive(conn: Connection, silent_s: float) -> int:
    """Return the number of workers with a heartbeat within the last `silent_s` seconds."""
    row = execute(conn, "count_alive", silent_s=silent_s).fetchone()
    return int(row["num_alive"]) if row else 0


def list_infos(conn: Connection, silent_s: float) -> list[Any]:
    """Return what each living worker says of itself; `ganns.queue.machine.figures_of` reads it."""
    return [row["info"] for row in execute(conn, "list_infos", silent_s=silent_s)]


def list_unable(conn: Connection, run_id: int, silent_s: float) -> list[tuple[str, str]]:
    """Return (name, reason) of each living worker that cannot compute the run, the newest refusal first."""
    return [(row["name"], row["reason"]) for row in execute(conn, "list_unable", run_id=run_id, silent_s=silent_s)]
