"""Rows of the tables that workers write: what does not fit cannot be stored, and what is stored is read."""

from __future__ import annotations

import psycopg
import pytest

from ganns.coordinator.collector import _as_bad_result
from ganns.errors import BadResult, PayloadError
from ganns.store import results
from tests.coordinator.test_faults import finish_run, wait_for_job
from tests.support.fakes import tiny

SUBMIT = "SELECT ganns_api.submit({job}, {attempt}, {worker}, {report})"
GOOD = ["1", "2.5", "0.5", "0.5", "0", "0", "1", "0"]


def test_a_report_is_eight_numbers(coordinate, join, conn):
    """A list, an object of any depth, and numbers that no float64 can be are refused where they come in."""
    coordinator, worker = coordinate(tiny()), join()
    job = wait_for_job(worker)
    config, result = worker.compute(worker.claim(job))
    names = {"job": job.id, "attempt": job.attempt, "worker": worker.id}
    for role in ("d", "g"):
        results.put_part(conn, job.id, job.attempt, role, b"replaced below")
    for wrong in (
        "'[1, 2]'::jsonb",
        "repeat('[', 3000)::jsonb",
        "'1e5000'::float8",
        f"'{'9' * 400}'::float8",
        "'boom'::float8",
        "NULL",
    ):
        report = ", ".join([*GOOD[:3], wrong, *GOOD[4:]])
        with pytest.raises(psycopg.Error):
            conn.execute(SUBMIT.format(**names, report=report))
    # Seconds are at most those since the claim, whatever is sent.
    conn.execute("UPDATE ganns.units SET claimed_at = now() - interval '100 s' WHERE job_id = %s", (job.id,))
    for seconds in ("1e300", "NaN", "Infinity", "-1e308"):
        with conn.transaction(force_rollback=True):
            report = ", ".join([*GOOD[:4], *([f"'{seconds}'::float8"] * 4)])
            assert conn.execute(SUBMIT.format(**names, report=report)).fetchone() == ("stored",)
            row = conn.execute("SELECT fetch_s, load_s, compute_s, upload_s FROM ganns.results").fetchone()
            assert all(value == 0 if seconds.startswith("-") else 100 <= value < 1e4 for value in row)
    assert worker.submit(job, config, result) == "stored"
    for column in ("fetch_s", "load_s", "compute_s", "upload_s"):  # a worker has the owner's login, and may write rows
        for value in ("'NaN'", "1e300", "'Infinity'", "-1", "NULL"):
            with pytest.raises(psycopg.IntegrityError):
                conn.execute(f"UPDATE ganns.results SET {column} = {value}::float8")
    worker.finish(job)
    finish_run(coordinator, worker)
    assert not [text for text in coordinator.said if "refused" in text]  # the parts that were replaced are not


class Panic(BaseException):
    """As of a library in Rust: it is no Exception."""


def test_any_error_is_a_reason_with_a_length():
    reason = BadResult("x")
    assert _as_bad_result(reason) is reason
    assert str(_as_bad_result(PayloadError("torn"))) == "torn"
    for error in (RecursionError("deep"), MemoryError(), Panic("a" * 10**6)):
        found = _as_bad_result(error)
        assert type(error).__name__ in str(found)
        assert len(str(found)) < 300
