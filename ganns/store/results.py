"""What workers submitted, and the credit that they get for it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from ganns.db.connect import Connection
from ganns.db.queries import execute, fetch_blob
from ganns.errors import BadResult


@dataclass(frozen=True)
class Submission:
    """A result's row, without its blobs."""

    unit: int
    job_id: int
    attempt: int
    worker_id: int | None
    report: dict[str, Any]  # {"metrics": {...}, "timings": {...}} as the worker says


PartKey = tuple[int, int, str]  # job, attempt, role


def list_results(conn: Connection, run_id: int, round_: int) -> list[Submission]:
    """Return the round's results in unit order."""
    return [Submission(**row) for row in execute(conn, "list_results", run_id=run_id, round=round_)]


def list_parts(conn: Connection, run_id: int, round_: int) -> list[PartKey]:
    """Return which parts are there, also those of units that are still being computed."""
    return [
        (row["job_id"], row["attempt"], row["role"]) for row in execute(conn, "list_parts", run_id=run_id, round=round_)
    ]


def get_part(conn: Connection, key: PartKey) -> tuple[bytes, str]:
    """Return (bytes, digest) of a part.

    Raises:
        BadResult: if it is not there: its upload was lost with a crash of the server.
    """
    job_id, attempt, role = key
    found = fetch_blob(conn, "get_part", job_id=job_id, attempt=attempt, role=role)
    if found is None:
        raise BadResult(f"The result of job {job_id}, attempt {attempt} lacks (some of) its part {role!r}.")
    return found


def refuse_result(conn: Connection, run_id: int, round_: int, unit: int) -> list[int]:
    """Take out a result that failed the checks; return the workers that this unit was refused from."""
    row = execute(conn, "refuse_result", run_id=run_id, round=round_, unit=unit).fetchone()
    return list(row["refused_from"]) if row else []


def credit(conn: Connection, run_id: int, round_: int, accepted: Collection[int]) -> None:
    """Enter every result of a closing round into the ledger: accepted ones as such, the others as late."""
    execute(conn, "credit", run_id=run_id, round=round_, accepted=list(accepted))


def forget_results(conn: Connection, run_id: int, before_round: int) -> None:
    """Delete the results of closed rounds before `before_round`."""
    execute(conn, "delete_results", run_id=run_id, before_round=before_round)
    execute(conn, "delete_parts", run_id=run_id, before_round=before_round)


def forget_round(conn: Connection, run_id: int, round_: int) -> None:
    """Delete the results of one round, open or closed; part of the caller's transaction."""
    execute(conn, "delete_results_of_round", run_id=run_id, round=round_)
