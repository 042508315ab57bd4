"""Results: a worker uploads and submits one, the coordinator reads it, and both accepted and late ones get credit."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from ganns.db.connect import Connection
from ganns.db.queries import execute, fetch_blob
from ganns.errors import BadResult
from ganns.training.influence import Influence
from ganns.training.serialization import CHUNK_BYTES, digest, split

METRICS, TIMINGS = ("d_loss", "g_loss", "d_real", "d_fake"), ("fetch", "load", "compute", "upload")
"""The numbers of a worker's report: losses and probabilities; seconds."""


@dataclass(frozen=True)
class Submission:
    """A result's row, without its blobs."""

    unit: int
    job_id: int
    attempt: int
    worker_id: int | None
    metrics: dict[str, float]  # from the worker, not checked; may be NaN or infinite
    timings: dict[str, float]  # seconds; from the worker, but at most the time since the claim


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


def submit(
    conn: Connection,
    job_id: int,
    attempt: int,
    worker_id: int | None,
    metrics: Mapping[str, float],
    timings: Mapping[str, float],
) -> str:
    """Complete the result of uploaded parts; return "stored", "duplicate", "late", "stale" or "incomplete".

    Args:
        conn: a connection.
        job_id: the job of the unit.
        attempt: the job's attempt.
        worker_id: the worker.
        metrics: the numbers of `METRICS`; a number that is not finite is sent, too.
        timings: the seconds of `TIMINGS`.
    """
    row = execute(
        conn,
        "api_submit",
        job_id=job_id,
        attempt=attempt,
        worker_id=worker_id,
        **{name: float(metrics[name]) for name in METRICS},
        **{f"{name}_s": float(timings[name]) for name in TIMINGS},
    ).fetchone()
    assert row is not None
    return str(row["answer"])


def list_results(conn: Connection, run_id: int, round_: int) -> list[Submission]:
    """Return the round's results in unit order."""
    return [
        Submission(
            row["unit"],
            row["job_id"],
            row["attempt"],
            row["worker_id"],
            {name: row[name] for name in METRICS},
            {name: row[f"{name}_s"] for name in TIMINGS},
        )
        for row in execute(conn, "list_results", run_id=run_id, round=round_)
    ]


def list_parts(conn: Connection, run_id: int, round_: int) -> list[tuple[int, PartKey]]:
    """Return (unit, key) of all parts, also of units that are still being computed."""
    rows = execute(conn, "list_parts", run_id=run_id, round=round_)
    return [(row["unit"], (row["job_id"], row["attempt"], row["role"])) for row in rows]


def get_part(conn: Connection, key: PartKey, max_bytes: int) -> tuple[bytes, str]:
    """Return (bytes, digest) of a part. No more is fetched than `max_bytes`, rounded up to whole chunks.

    Raises:
        BadResult: if a chunk is missing (it was lost with a crash of the server), or the part has more chunks.
    """
    job_id, attempt, role = key
    max_chunks = -(-max_bytes // CHUNK_BYTES)
    found = fetch_blob(conn, "get_part", job_id=job_id, attempt=attempt, role=role, max_chunks=max_chunks)
    if found is None:
        raise BadResult(
            f"Part {role!r} of the result of job {job_id}, attempt {attempt} is not whole, or has more than "
            f"{max_chunks} MB, which this network cannot need."
        )
    return found


def refuse_result(conn: Connection, run_id: int, round_: int, submission: Submission) -> list[int]:
    """Delete a result that failed the checks; return the workers from which results of this unit were refused."""
    row = execute(
        conn,
        "refuse_result",
        run_id=run_id,
        round=round_,
        unit=submission.unit,
        job_id=submission.job_id,
        attempt=submission.attempt,
    ).fetchone()
    return list(row["refused_from"]) if row else []


def others_present(conn: Connection, known: Collection[int], silent_s: float) -> int:
    """Return the number of live workers that take new jobs and are not in `known`."""
    row = execute(conn, "others_present", known=list(known), silent_s=silent_s).fetchone()
    return int(row["num"]) if row else 0


def set_aside_worker(conn: Connection, worker_id: int) -> str | None:
    """Let a worker take no new jobs; return its name, or None if it is not registered for tasks."""
    row = execute(conn, "set_aside_worker", worker_id=worker_id).fetchone()
    return str(row["name"]) if row else None


def credit(
    conn: Connection,
    run_id: int,
    round_: int,
    accepted: Collection[Submission],
    influences: Mapping[int, Mapping[str, Influence]] | None = None,
) -> None:
    """Write every result of a closing round into the ledger: the accepted ones, and all others as late.

    `influences`: what each unit's gradients did in the round's step, by unit and network.
    """
    did = [(influences or {}).get(one.unit, {}) for one in accepted]
    execute(
        conn,
        "credit",
        run_id=run_id,
        round=round_,
        units=[one.unit for one in accepted],
        job_ids=[one.job_id for one in accepted],
        attempts=[one.attempt for one in accepted],
        **{f"cosine_{role}": [one[role].cosine if role in one else None for one in did] for role in ("d", "g")},
        **{f"share_{role}": [one[role].share if role in one else None for one in did] for role in ("d", "g")},
    )


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
