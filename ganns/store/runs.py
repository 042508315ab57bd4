"""Runs, their leases and their metrics."""

from __future__ import annotations

import getpass
import os
import socket
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from psycopg.types.json import Jsonb

from ganns.db.connect import Connection
from ganns.db.queries import execute
from ganns.errors import LeaseLost, RunError

LEASE_S = 30.0
"""A coordinator that was not heard of for so long may be replaced, even if its connection seems alive."""


@dataclass(frozen=True)
class Run:
    """A run's row."""

    id: int
    key: str
    name: str
    config: dict[str, Any]
    state: str
    fingerprint: str
    num_images: int
    permutation_digest: str
    version: int
    images: int


@dataclass(frozen=True)
class Wish:
    """What instructors want of a run; see `control.py`."""

    wanted: str = "run"  # or "pause" or "stop"
    units: int | None = None  # the quorum from the next round on; None: as configured


def create_run(
    conn: Connection, *, name: str, config: dict[str, Any], fingerprint: str, num_images: int, permutation_digest: str
) -> int:
    """Insert a run at version 0 and return its number."""
    row = execute(
        conn,
        "create_run",
        name=name,
        config=Jsonb(config),
        fingerprint=fingerprint,
        num_images=num_images,
        permutation_digest=permutation_digest,
        requires=".".join(version("ganns").split(".")[:2]),  # an older worker would compute something else
    ).fetchone()
    assert row is not None
    return int(row["id"])


def get_run(conn: Connection, run_id: int) -> Run:
    """Return a run's row.

    Raises:
        RunError: if there is no such run.
    """
    row = execute(conn, "get_run", run_id=run_id).fetchone()
    if row is None:
        raise RunError(f"There is no run {run_id} in this database; `ganns runs` lists the runs.")
    return Run(**row | {"key": str(row["key"])})


def find_run(conn: Connection, which: str) -> Run:
    """Return the run called by its number, or "latest": the newest open one, else the newest.

    Raises:
        RunError: if there is none, or `which` is neither.
    """
    if which == "latest":
        row = execute(conn, "latest_run").fetchone()
        if row is None:
            raise RunError("There is no run in this database yet; start one with `ganns train experiment=demo`.")
        return get_run(conn, row["id"])
    if not which.isdecimal():
        raise RunError(f"{which!r} is not a run: give its number (`ganns runs` lists them) or `latest`.")
    return get_run(conn, int(which))


def list_runs(conn: Connection) -> list[dict[str, Any]]:
    """Return every run with its state, whether a coordinator holds it, and its last metrics, newest first."""
    return execute(conn, "list_runs").fetchall()


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
    """Return who is at work here: user@host."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in some containers
        user = "someone"
    return f"{user}@{socket.gethostname()}"


def hold_lease(conn: Connection, run_id: int, generation: int, lease_s: float = LEASE_S) -> Wish:
    """Prolong the lease and return what is wanted of the run.

    Inside a transaction nobody can take the lease, or change the wish, until the transaction ends.

    Raises:
        LeaseLost: if another coordinator took over.
    """
    row = execute(conn, "hold_lease", run_id=run_id, generation=generation, lease_s=lease_s).fetchone()
    if row is None:
        raise LeaseLost(
            f"Run {run_id} was taken over by another coordinator while this one was not heard of; "
            "nothing was overwritten. `ganns runs` shows who has it."
        )
    return Wish(**row)


def release_lease(conn: Connection, run_id: int, generation: int) -> None:
    """Give the run up."""
    execute(conn, "release_lease", run_id=run_id, generation=generation)


def set_progress(conn: Connection, run_id: int, *, version: int, images: int) -> None:
    """Record the run's current version."""
    execute(conn, "set_progress", run_id=run_id, version=version, images=images)


def best_version(conn: Connection, run_id: int) -> int | None:
    """Return the best of the evaluated versions; None if none was evaluated."""
    row = execute(conn, "best_version", run_id=run_id).fetchone()
    return row["best_version"] if row else None


def set_state(conn: Connection, run_id: int, state: str) -> None:
    """Move the run to "open", "finished" or "diverged"."""
    execute(conn, "set_state", run_id=run_id, state=state)


def set_config(conn: Connection, run_id: int, config: dict[str, Any]) -> None:
    """Replace the run's configuration (a resumed run may stop later)."""
    execute(conn, "set_config", run_id=run_id, config=Jsonb(config))


def insert_metrics(
    conn: Connection,
    run_id: int,
    round_: int,
    *,
    images: int,
    seconds: float,
    metrics: dict[str, float],
    timings: dict[str, float],
) -> None:
    """Record one round's metrics and where its time went (seconds)."""
    execute(
        conn,
        "insert_metrics",
        run_id=run_id,
        round=round_,
        images=images,
        seconds=seconds,
        metrics=Jsonb(metrics),
        timings=Jsonb(timings),
    )


def list_metrics(conn: Connection, run_id: int) -> list[dict[str, Any]]:
    """Return {round, images, seconds, metrics, timings} of every round in order."""
    return execute(conn, "list_metrics", run_id=run_id).fetchall()
