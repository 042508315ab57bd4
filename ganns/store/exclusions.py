"""Exclusions: logins, or single workers of a shared login, that get no more units of a run.

The functions that give jobs out (`ganns_api.task_fetch`, `ganns_api.claim`) look at the table themselves, so a worker
that is started again under another number gets nothing either.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from typing import NamedTuple

from ganns.db.connect import Connection
from ganns.db.queries import execute
from ganns.errors import RunError
from ganns.store import sessions


class Subject(NamedTuple):
    """Name whose results count together: a student's login, or one worker of a login that others share."""

    login: str
    name: str = ""  # of the worker; "" for a student


class Kind(StrEnum):
    """The reasons for which someone is left out."""

    BROKE_MODEL = "broke_model"  # the model broke after its results: ganns/coordinator/blame.py
    WRONG_RESULTS = "wrong_results"  # audits found them, and it is in quarantine: ganns/coordinator/audits.py


def identities(conn: Connection, worker_ids: Collection[int]) -> dict[int, Subject]:
    """Return who some workers are: a student's own login stands for all its workers, another one for one name."""
    rows = execute(conn, "who_are", worker_ids=list(worker_ids))
    return {row["worker_id"]: Subject(row["login"], row["name"] if row["shared"] else "") for row in rows}


def exclude(conn: Connection, run_id: int, who: Subject, kind: Kind, reason: str) -> None:
    """Let someone get no more units of a run, and record that for the class; part of the caller's transaction.

    Args:
        conn: a connection.
        run_id: the run.
        who: the login, or the worker.
        kind: the kind of the reason.
        reason: the end of a sentence, which viewers read.
    """
    execute(conn, "exclude", run_id=run_id, login=who.login, name=who.name, kind=kind.value, reason=reason)
    sessions.record(conn, run_id, "excluded", who.login, who.name or None, reason)


def readmit(conn: Connection, run_id: int, who: str) -> None:
    """Take back what keeps a login, a student or a worker's name from a run's units, whatever the reason was.

    Raises:
        RunError: if nothing does.
    """
    if execute(conn, "readmit", run_id=run_id, who=who).fetchone() is None:
        raise RunError(f"{who} is not left out of run {run_id}: `ganns runs audits {run_id}` shows who is.")


def list_excluded(conn: Connection, run_id: int) -> set[Subject]:
    """Return who gets no more units of a run."""
    return {Subject(row["login"], row["name"]) for row in execute(conn, "list_excluded", run_id=run_id)}


def count_others(conn: Connection, run_id: int, who: Collection[Subject], silent_s: float) -> int:
    """Return the number of live workers that take units of a run and are none of these."""
    logins, names = [one.login for one in who], [one.name for one in who]
    row = execute(conn, "count_others", run_id=run_id, silent_s=silent_s, logins=logins, names=names).fetchone()
    return int(row["num"]) if row else 0
