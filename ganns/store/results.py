"""Results: a worker uploads and submits one, the coordinator reads it, and both accepted and late ones get credit."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from psycopg.types.json import Jsonb

from ganns.db.connect import Connection
from ganns.db.queries import execute, fetch_blob
from ganns.errors import BadResult
from ganns.training.serialization import digest, split


@dataclass(frozen=True)
class Submission:
    """A result's row, without its blobs."""

    unit: int
    job_id: int
    attempt: int
    worker_id: int | None
    report: dict[str, Any]  # {"metrics": {...}, "timings": {...}}, from the worker


PartKey = tuple[int, int, str]  # job, attempt, role


def put_part(conn: Connection, job_id: int, attempt: int, role: str, data: bytes | bytearray) -> None:
    """Upload one network's part of a unit, in one transaction; it does not count before `submit`."""
    chunks, found = split(data), digest(data)
    with conn.transaction() if len(chunks) > 1 else nullcontext():  # one statement is a transaction by itself
        for number, chunk in enumerate(chunks):
            execute(
                conn,
                "api_put_part",
                job_id=job_id,
                attempt=attempt,
                role=role,
                chunk=number,
                num_chunks=len(chunks),
                data=chunk,
                digest=found,
            )


def submit(conn: Connection, job_id: int, attempt: int, worker_id: int | None, report: dict[str, Any]) -> str:
    """Complete the result of uploaded parts; return "stored", "duplicate", "late", "stale" or "incomplete"."""
    row = execute(
        conn, "api_submit", job_id=job_id, attempt=attempt, worker_id=worker_id, roles=["d", "g"], report=Jsonb(report)
    ).fetchone()
    assert row is not None
    return str(row["answer"])


def list_results(conn: Connection, run_id: int, round_: int) -> list[Submission]:
    """Return the round's results in unit order."""
    return [Submission(**row) for row in execute(conn, "list_results", run_id=run_id, round=round_)]


def list_parts(conn: Connection, run_id: int, round_: int) -> list[PartKey]:
    """Return the keys of all parts, also of units that are still being computed."""
    return [
        (row["job_id"], row["attempt"], row["role"]) for row in execute(conn, "list_parts", run_id=run_id, round=round_)
    ]


def get_part(conn: Connection, key: PartKey) -> tuple[bytes, str]:
    """Return (bytes, digest) of a part.

    Raises:
        BadResult: if a piece is missing: it was lost with a crash of the server.
    """
    job_id, attempt, role = key
    found = fetch_blob(conn, "get_part", job_id=job_id, attempt=attempt, role=role)
    if found is None:
        raise BadResult(f"The result of job {job_id}, attempt {attempt} lacks (a piece of) its part {role!r}.")
    return found


def refuse_result(conn: Connection, run_id: int, round_: int, unit: int) -> list[int]:
    """Delete a result that failed the checks; return the workers from which results of this unit were refused."""
    row = execute(conn, "refuse_result", run_id=run_id, round=round_, unit=unit).fetchone()
    return list(row["refused_from"]) if row else []


def credit(conn: Connection, run_id: int, round_: int, accepted: Collection[int]) -> None:
    """Write every result of a closing round into the ledger, as accepted or as late."""
    execute(conn, "credit", run_id=run_id, round=round_, accepted=list(accepted))


def forget_results(conn: Connection, run_id: int, before_round: int) -> None:
    """Delete the results of closed rounds before `before_round`."""
    execute(conn, "delete_results", run_id=run_id, before_round=before_round)
    execute(conn, "delete_parts", run_id=run_id, before_round=before_round)


def worker_totals(conn: Connection, run_id: int) -> list[dict[str, Any]]:
    """Return {name, units, images, late, seconds} of every worker that contributed to a run."""
    return execute(conn, "worker_totals", run_id=run_id).fetchall()


def forget_round(conn: Connection, run_id: int, round_: int) -> None:
    """Delete the results of one round, open or closed; part of the caller's transaction."""
    execute(conn, "delete_results_of_round", run_id=run_id, round=round_)
