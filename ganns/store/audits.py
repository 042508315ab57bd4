"""Audits: the results that were computed again, and the trust that follows from them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from ganns.config import AuditConfig
from ganns.db.connect import Connection
from ganns.db.queries import execute
from ganns.store.exclusions import Subject
from ganns.training.trust import Trust
from ganns.utils.printable import printable

TASK, QUEUE = "audit", "audits"
"""The name of the task that computes a result again, and its queue."""


class AuditedWorker(NamedTuple):
    """A worker whose result was accepted."""

    subject: Subject | None  # None: its results are not audited
    info: dict[str, Any]  # its machine, as it says


def list_workers(conn: Connection, worker_ids: Collection[int], config: AuditConfig) -> dict[int, AuditedWorker]:
    """Return the workers of some numbers; those that never registered are missing."""
    found = {}
    for row in execute(conn, "audited_workers", worker_ids=list(worker_ids)):
        subject = None
        if row["is_student"] and config.of != "nobody":
            subject = Subject(row["login"])
        elif config.of == "everyone":
            subject = Subject(row["login"], row["name"])
        found[row["worker_id"]] = AuditedWorker(subject, row["info"] if isinstance(row["info"], dict) else {})
    return found


def list_trust(conn: Connection, run_id: int) -> dict[Subject, Trust]:
    """Return the trust in each login that was audited, in any run; its failures are those of this run."""
    rows = execute(conn, "list_trust", run_id=run_id)
    return {Subject(row["login"], row["name"]): Trust(row["agreed"], row["failed"]) for row in rows}


def insert_audit(conn: Connection, run_id: int, **fields: Any) -> None:
    """Record an audit; `fields` are the other columns of `ganns.audits`."""
    execute(conn, "insert_audit", run_id=run_id, **fields)


def workers_of_jobs(conn: Connection, job_ids: Sequence[int]) -> dict[int, int | None]:
    """Return the worker that had each job last; None: it has left."""
    return {row["id"]: row["worker_id"] for row in execute(conn, "workers_of_jobs", job_ids=list(job_ids))}


def list_audits(conn: Connection, run_id: int) -> list[dict[str, Any]]:
    """Return the figures of each login that was audited or is left out: the columns of `list_audits` in audits.sql."""
    return execute(conn, "list_audits", run_id=run_id).fetchall()


def shown(conn: Connection, subject: Subject) -> str:
    """Return a login's words for messages, with the student's label or the worker's name."""
    row = execute(conn, "student_label", login=subject.login).fetchone()
    login, name = printable(subject.login, 100), subject.name or (row["label"] if row else "")
    return f"{printable(name, 100)} (login {login})" if name else f"login {login}"


def held_units(conn: Connection, run_id: int, round_: int, subject: Subject) -> list[int]:
    """Return a round's units that a login has claimed, and not returned."""
    rows = execute(conn, "units_of_login", run_id=run_id, round=round_, login=subject.login, name=subject.name)
    return [row["unit"] for row in rows]


def trusted_present(conn: Connection, silent_s: float) -> int:
    """Return the number of live workers that may audit."""
    row = execute(conn, "trusted_present", silent_s=silent_s, task=TASK).fetchone()
    return int(row["num"]) if row else 0
