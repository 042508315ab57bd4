"""Results: a worker uploads and submits one, the coordinator reads it, and both accepted and late ones get credit."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ganns.db.connect import Connection
from ganns.db.pieces import BLOCK_BYTES, Pace, Value, pipelined
from ganns.db.queries import execute, query
from ganns.errors import BadResult
from ganns.training.influence import Influence
from ganns.training.result_digest import ResultDigest
from ganns.training.serialization import digest

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


class PartUpload:
    """One network's part of a unit on its way to the server, in pieces; see `ganns.db.pieces`.

    It does not count before `submit`.
    """

    def __init__(self, job_id: int, attempt: int, role: str, data: bytes | bytearray, pace: Pace | None = None) -> None:
        """Prepare the upload of `data`, the part `role` of the unit of (job, attempt), at this link's pace."""
        self._pace = pace or Pace()
        self._key: dict[str, Value] = {"job_id": job_id, "attempt": attempt, "role": role}
        self._data, self._digest = memoryview(data), digest(data)
        self._num_blocks = num_blocks(len(data))
        self._was_begun, self._is_wanted = False, True
        self.num_bytes, self.done = len(data), 0
        self.is_given_up = False  # then it ends with the pieces that are on their way

    def run(self, conn: Connection) -> None:
        """Send what the server does not have. It ends early if the unit is no longer wanted from this attempt."""
        block = 0
        self._pace.begin(again=self._was_begun)
        if self._was_begun:
            [found] = execute(conn, "api_part_received", **self._key, digest=self._digest)
            block = found["blocks"]
            self.done = min(block * BLOCK_BYTES, len(self._data))
        self._was_begun = True
        sizes = deque[int]()

        def requests() -> Iterator[dict[str, Value]]:
            nonlocal block
            while block < self._num_blocks and self._is_wanted and not self.is_given_up:
                piece = self._data[block * BLOCK_BYTES :][: self._pace.size]
                where: dict[str, Value] = {"chunk": block, "num_chunks": self._num_blocks}
                sizes.append(len(piece))
                block += num_blocks(len(piece))
                yield self._key | where | {"data": piece, "digest": self._digest}

        for row, seconds in pipelined(conn, "api_put_part", requests()):
            size = sizes.popleft()
            self._is_wanted = row == [b"\x01"]
            self.done += size
            self._pace.took(size, seconds)


def num_blocks(num_bytes: int) -> int:
    """Return the number of blocks of a piece or a part; without bytes it has one."""
    return max(1, -(-num_bytes // BLOCK_BYTES))


def put_part(conn: Connection, job_id: int, attempt: int, role: str, data: bytes | bytearray) -> None:
    """Upload one network's part of a unit over one connection; it does not count before `submit`."""
    PartUpload(job_id, attempt, role, data).run(conn)


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
    """Return (bytes, digest) of a part. No more is fetched than `max_bytes`, rounded up to a whole piece.

    Raises:
        BadResult: if a piece is missing (it was lost with a crash of the server), or the part is larger.
    """
    job_id, attempt, role = key
    parameters = {"job_id": job_id, "attempt": attempt, "role": role, "max_bytes": max_bytes}
    pieces, have, wanted, digest = [], 0, 1, ""
    for chunk, wanted, digest, data in conn.cursor(binary=True).stream(query("get_part"), parameters):  # noqa: B007
        if chunk == have:  # else there is a gap, or pieces overlap
            pieces.append(data)
            have += num_blocks(len(data))
    if have != wanted:
        raise BadResult(
            f"Part {role!r} of the result of job {job_id}, attempt {attempt} is not whole, or has more than "
            f"{max_bytes / 1e6:.1f} MB, which this network cannot need."
        )
    return b"".join(pieces), digest


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
    digests: Mapping[int, ResultDigest] | None = None,
) -> None:
    """Write every result of a closing round into the ledger: the accepted ones, and all others as late.

    `influences`: what each unit's gradients did in the round's step, by unit and network. `digests`: by unit.
    """
    did = [(influences or {}).get(one.unit, {}) for one in accepted]
    found = [(digests or {}).get(one.unit) for one in accepted]
    execute(
        conn,
        "credit",
        run_id=run_id,
        round=round_,
        units=[one.unit for one in accepted],
        job_ids=[one.job_id for one in accepted],
        attempts=[one.attempt for one in accepted],
        digests=[one and one.digest for one in found],
        sketches=[one and one.sketch.hex() for one in found],
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
