"""Credit: each person's contribution by the server's clock, and certificates of it.

A certificate's digest is the SHA-256 of the person's lines of the ledger, as canonical JSON (`canonical`). `recompute`
reads the lines again: if one of them was changed, added or removed since, the digest is another one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg

from ganns.db.connect import Connection
from ganns.db.queries import execute
from ganns.errors import DatabaseError, RunError

FORMAT = "ganns-credit-1"
"""In each canonical text, so that another layout of it would have another name."""
LOCK_WAIT = "3s"
"""The longest wait for transactions that write into the ledger; a round's end waits behind this."""


@dataclass(frozen=True)
class Selection:
    """Which lines of the ledger are meant."""

    runs: tuple[int, ...] | None = None  # None: all
    since: datetime | None = None  # submitted at this time or later, by the server's clock
    until: datetime | None = None  # and before this one

    def parameters(self) -> dict[str, Any]:
        """Return the parameters of the queries."""
        return {"runs": None if self.runs is None else list(self.runs), "since": self.since, "until": self.until}


@dataclass
class Person:
    """The contribution of one person."""

    person: str
    login: str | None  # None: known by the worker's name only
    uptime_s: float = 0.0  # with at least one worker there
    runs: list[dict[str, Any]] = field(default_factory=list)  # {run, run_name, units, images, late, compute_s, ..}

    def total(self, name: str) -> Any:
        """Return the sum of a number over the runs."""
        return sum(one[name] for one in self.runs)

    @property
    def workers(self) -> list[str]:
        """The names of the workers, on all devices."""
        return sorted({name for one in self.runs for name in one["workers"]})


@dataclass(frozen=True)
class Certificate:
    """The contents of a certificate: the person, the lines, and their digest."""

    person: str
    login: str | None
    selection: Selection
    issued_at: datetime
    num_lines: int
    images: int
    digest: str


def list_people(conn: Connection, selection: Selection, issued_at: datetime | None = None) -> list[Person]:
    """Return everyone who contributed, most images first; the devices of one person together.

    `issued_at`: without lines that were written at this time or later.
    """
    people: dict[tuple[str, str | None], Person] = {}
    for row in execute(conn, "credit_totals", issued_at=issued_at, **selection.parameters()):
        one = people.setdefault((row["person"], row["login"]), Person(row["person"], row["login"]))
        one.runs.append({key: value for key, value in row.items() if key not in ("person", "login")})
    for row in execute(conn, "credit_uptime", **selection.parameters()):
        if (row["person"], row["login"]) in people:
            people[row["person"], row["login"]].uptime_s = row["uptime_s"]
    return sorted(people.values(), key=lambda one: (-one.total("images"), -one.total("late"), one.person))


def find_person(conn: Connection, name: str, selection: Selection) -> Person:
    """Return the person with this name.

    Raises:
        RunError: if nobody with this name has a line in the selection, or several have.
    """
    people = list_people(conn, selection)
    found = [one for one in people if name in (one.person, one.login)]
    if not found:
        known = ", ".join(one.person for one in people[:10])
        others = f"credited are: {known}. `ganns credit` lists all" if known else "nobody has any yet"
        raise RunError(f"{name!r} has no credit there; {others}.")
    if len(found) > 1:
        logins = ", ".join(str(one.login or "a worker's name") for one in found)
        raise RunError(f"Several people are called {name!r} ({logins}): give the login in place of the name.")
    return found[0]


def list_units(conn: Connection, person: Person, selection: Selection, num: int) -> list[dict[str, Any]]:
    """Return the person's last `num` units, newest first, with what their gradients did."""
    rows = execute(
        conn,
        "credit_units",
        person=person.person,
        login=person.login,
        runs=selection.parameters()["runs"],
        num=num,
    )
    return rows.fetchall()


# Certificates -----------------------------------------------------------------------------------------------


def issue(conn: Connection, person: Person, selection: Selection) -> Certificate:
    """Record a certificate of the person's lines up to now.

    Raises:
        DatabaseError: if a transaction keeps the ledger locked.
    """
    try:
        with conn.transaction():
            execute(conn, "limit_waiting", text=LOCK_WAIT)
            execute(conn, "lock_ledger")
            row = execute(conn, "clock").fetchone()
    except psycopg.errors.LockNotAvailable as error:
        raise DatabaseError(
            f"The ledger was locked for {LOCK_WAIT}: a worker or a coordinator writes into it. Type the line again."
        ) from error
    assert row is not None
    # Lines that come from now on have a later time, so this set of lines is complete without the lock.
    found = _compute(conn, person.person, person.login, selection, row["now"])
    execute(
        conn,
        "insert_certificate",
        digest=found.digest,
        person=found.person,
        login=found.login,
        num_lines=found.num_lines,
        images=found.images,
        issued_at=found.issued_at,
        **selection.parameters(),
    )
    return found


def find_certificate(conn: Connection, digest: str) -> Certificate | None:
    """Return the certificate with this digest, as it was issued; None if this database issued none."""
    row = execute(conn, "get_certificate", digest=digest).fetchone()
    if row is None:
        return None
    selection = Selection(None if row["runs"] is None else tuple(row["runs"]), row["since"], row["until"])
    about = {key: row[key] for key in ("person", "login", "issued_at", "num_lines", "images", "digest")}
    return Certificate(selection=selection, **about)


def find_certified(conn: Connection, issued: Certificate) -> Person:
    """Return what the person of a certificate contributed, as the ledger's lines of then say it now."""
    people = list_people(conn, issued.selection, issued.issued_at)
    same = [one for one in people if (one.person, one.login) == (issued.person, issued.login)]
    return same[0] if same else Person(issued.person, issued.login)


def recompute(conn: Connection, issued: Certificate) -> Certificate:
    """Return the same certificate from the lines that the ledger has now."""
    return _compute(conn, issued.person, issued.login, issued.selection, issued.issued_at)


def _compute(
    conn: Connection, person: str, login: str | None, selection: Selection, issued_at: datetime
) -> Certificate:
    rows = execute(
        conn, "credit_lines", person=person, login=login, issued_at=issued_at, **selection.parameters()
    ).fetchall()
    text = canonical(person, login, selection, issued_at, rows)
    return Certificate(
        person=person,
        login=login,
        selection=selection,
        issued_at=issued_at,
        num_lines=len(rows),
        images=sum(row["images"] for row in rows if row["accepted"]),
        digest=hashlib.sha256(text).hexdigest(),
    )


def canonical(
    person: str, login: str | None, selection: Selection, issued_at: datetime, lines: Sequence[dict[str, Any]]
) -> bytes:
    """Return the text whose SHA-256 is a certificate's digest: JSON with one way to write each value.

    Keys are sorted, without spaces, ASCII only; whole numbers, texts, true, false and null, and no fractions; times in
    UTC with six decimals. (RFC 8785 has the same aim for any JSON.)
    """
    value = {
        "format": FORMAT,
        "person": person,
        "login": login,
        "runs": None if selection.runs is None else list(selection.runs),
        "since": selection.since,
        "until": selection.until,
        "issued_at": issued_at,
        "lines": [dict(line) for line in lines],
    }
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=time_text).encode()


def time_text(at: datetime) -> str:
    """Return a time as in "2026-11-27T16:20:51.000000Z"."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
