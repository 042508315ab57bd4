"""Read what a run's rounds were made of: whose units were accepted, their machines, and each version's digest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ganns.db.connect import Connection
from ganns.db.queries import execute
from ganns.training.plan import Slice
from ganns.training.round_settings import RoundSettings, from_columns
from ganns.utils.printable import printable


@dataclass(frozen=True)
class Author:
    """The worker that computed a unit. Others choose these texts: print them with `printable`."""

    worker: str  # the worker's name
    person: str  # the student's label; where all share one login, the worker's name
    login: str | None  # the student's

    def is_called(self, name: str) -> bool:
        """Tell whether this is the name of the worker, of the student, or of the login."""
        return name in (self.worker, self.person, self.login)

    def __str__(self) -> str:
        """Name the person, and the worker and the login if they are called otherwise."""
        worker = f"worker {printable(self.worker, 100)}" if self.worker != self.person else ""
        login = f"login {printable(self.login, 100)}" if self.login else ""
        more = ", ".join(filter(None, (worker, login)))
        return printable(self.person, 100) + (f" ({more})" if more else "")


@dataclass(frozen=True)
class AcceptedUnit:
    """An accepted unit of a closed round."""

    slice: Slice
    author: Author


@dataclass(frozen=True)
class ClosedRound:
    """A closed round: its settings, and its accepted units by number; without units, the run went back in it."""

    settings: RoundSettings | None
    units: dict[int, AcceptedUnit]


@dataclass(frozen=True)
class LedgerLine:
    """An accepted unit with all that it was computed from, and what is left of its result."""

    weights_version: int
    settings: RoundSettings | None
    slice: Slice
    author: Author
    machine: dict[str, Any]  # as the worker described it
    digest: str | None  # None: accepted before the ledger had digests
    sketch: bytes | None


def list_rounds(conn: Connection, run_id: int, first: int, end: int) -> dict[int, ClosedRound]:
    """Return the closed rounds from `first` to `end`, without `end`."""
    found: dict[int, ClosedRound] = {}
    for row in execute(conn, "recorded_units", run_id=run_id, first=first, end=end):
        this = found.setdefault(row["round"], ClosedRound(from_columns(row), {}))
        if row["unit"] is not None:
            cut = Slice(row["epoch"], row["start"], row["images"])
            this.units[row["unit"]] = AcceptedUnit(cut, _author(row))
    return found


def find_unit(conn: Connection, run_id: int, round_: int, unit: int) -> LedgerLine | None:
    """Return a unit's accepted line; None if there is none."""
    row = execute(conn, "recorded_unit", run_id=run_id, round=round_, unit=unit).fetchone()
    if row is None:
        return None
    cut = Slice(row["epoch"], row["start"], row["images"])
    info = row["info"] if isinstance(row["info"], dict) else {}
    return LedgerLine(row["weights_version"], from_columns(row), cut, _author(row), info, row["digest"], row["sketch"])


def list_machines(conn: Connection, run_id: int, first: int, end: int) -> list[dict[str, Any]]:
    """Return the machines, as they describe themselves, that computed the rounds from `first` to `end`."""
    rows = execute(conn, "recorded_machines", run_id=run_id, first=first, end=end)
    return [row["info"] for row in rows if isinstance(row["info"], dict)]


def list_digests(conn: Connection, run_id: int, first: int, last: int) -> dict[int, str]:
    """Return the digest of the weights of each version from `first` to `last`, as workers fetched them."""
    rows = execute(conn, "recorded_versions", run_id=run_id, first=first, last=last)
    return {row["version"]: row["digest"] for row in rows}


def list_state_digests(conn: Connection, run_id: int, last: int) -> dict[int, str]:
    """Return the digest of the whole state of each version up to `last`."""
    rows = execute(conn, "recorded_versions", run_id=run_id, first=0, last=last)
    return {row["version"]: row["state_digest"] for row in rows if row["state_digest"] is not None}


def list_checkpoints(conn: Connection, run_id: int) -> dict[int, str]:
    """Return the versions whose whole state is in the database, with its digest."""
    return {row["version"]: row["digest"] for row in execute(conn, "list_checkpoints", run_id=run_id)}


def _author(row: Mapping[str, Any]) -> Author:
    return Author(row["worker"], row["person"], row["login"])
