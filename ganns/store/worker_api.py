"""A worker's calls before it computes: register, read the run, claim a unit, fetch weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from ganns.db.connect import Connection
from ganns.db.pieces import Pace
from ganns.db.protocol import refusal_of
from ganns.db.queries import execute
from ganns.errors import RunError
from ganns.store.downloads import Download
from ganns.training.chain import Published
from ganns.training.plan import Slice
from ganns.training.round_settings import RoundSettings, from_columns


@dataclass(frozen=True)
class Claim:
    """A unit that an attempt of a job has claimed."""

    run_id: int
    round: int
    unit: int
    slice: Slice
    weights_version: int  # the version to compute at
    settings: RoundSettings | None  # of its round, in place of the run's


@dataclass(frozen=True)
class RunInfo:
    """The part of a run's row that a worker needs."""

    config: dict[str, Any]
    fingerprint: str
    num_images: int
    permutation_digest: str


def register(conn: Connection, worker_id: int, name: str, info: dict[str, Any]) -> None:
    """Store the worker's name, and facts about its machine, with the protocol that it speaks.

    Raises:
        ProgramTooOld: if the database speaks this protocol no more.
    """
    try:
        execute(conn, "api_register", worker_id=worker_id, name=name, info=Jsonb(info))
    except psycopg.DatabaseError as error:
        if (refused := refusal_of(error)) is not None:
            raise refused from error
        raise


def get_run_info(conn: Connection, run_id: int) -> RunInfo:
    """Return the part of a run's row that a worker needs.

    Raises:
        RunError: if the run was deleted meanwhile.
    """
    row = execute(conn, "api_run", run_id=run_id).fetchone()
    if row is None:
        raise RunError(f"Run {run_id} is not in the database any more.")
    return RunInfo(**row)


def requires(conn: Connection, run_id: int) -> str:
    """Return the "major.minor" of the program that made the run; "" if it was not recorded."""
    row = execute(conn, "api_requires", run_id=run_id).fetchone()
    return str(row["requires"] or "") if row else ""


def claim(conn: Connection, job_id: int, attempt: int, worker_id: int | None) -> Claim | None:
    """Claim a job's unit; return None if it is no longer wanted from this attempt."""
    row = execute(conn, "api_claim", job_id=job_id, attempt=attempt, worker_id=worker_id).fetchone()
    if row is None:
        return None
    slice_ = Slice(row["epoch"], row["start"], row["count"])
    return Claim(row["run_id"], row["round"], row["unit"], slice_, row["weights_version"], from_columns(row))


class WeightsDownload(Download):
    """A version's weights, or the link to them, on their way here."""

    def __init__(self, run_id: int, version: int, pace: Pace | None = None, name: str = "api_weights") -> None:
        """Fetch nothing yet; `name` is the query, "api_weights" or "api_link"."""
        super().__init__(name, {"run_id": run_id, "version": version}, pace)
        self.version = version


def list_published(conn: Connection, run_id: int, version: int) -> list[Published]:
    """Return what there is to fetch for a version, and the links to those before it, oldest first."""
    return [Published(**row) for row in execute(conn, "api_published", run_id=run_id, version=version)]


def fetch_weights(conn: Connection, run_id: int, version: int) -> tuple[bytes, str]:
    """Return (bytes, digest) of a version's weights, fetched over one connection.

    Raises:
        WeightsMissing: if a part of them is not there; the coordinator uploads them again within a second or two.
    """
    download = WeightsDownload(run_id, version)
    download.run(conn)
    return download.result()


def fail_unit(conn: Connection, job_id: int, attempt: int, worker_id: int | None, reason: str) -> None:
    """Record an error that may be the unit's; on three workers it sets the unit aside. `reason` is the traceback."""
    execute(conn, "api_fail_unit", job_id=job_id, attempt=attempt, worker_id=worker_id, reason=reason)


def refuse_run(conn: Connection, job_id: int, worker_id: int | None, run_id: int, reason: str) -> None:
    """Get no more units of a run until this worker is started again; `job_id` is one that it holds."""
    execute(conn, "api_task_refuse", job_id=job_id, worker_id=worker_id, args=Jsonb({"run": run_id}), reason=reason)
