"""One played order of a scene, as data: every moment of every session, and whether the promise held.

Transaction numbers are counted from 101 in each recording, in their real order: the server's own numbers are different
each time, and only their order means something.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from ganns.errors import PayloadError

Kind = Literal["step", "went on", "killed"]
Outcome = Literal["done", "waits", "error", "waits for a notification", "killed"]
FIRST_NUMBER = 101
SEVERAL = -1
"""The xmax of a row that several sessions lock."""


@dataclass(frozen=True)
class Lock:
    """A row of pg_locks: a lock that a session holds, or waits for."""

    what: str  # "results", or "transaction 102"
    mode: str
    granted: bool


@dataclass(frozen=True)
class Row:
    """A version of a row, as one session sees it."""

    table: str
    values: dict[str, Any]
    xmin: int  # the transaction that wrote it
    xmax: int  # the transaction that deleted, changed or locked it; 0 if there is none, SEVERAL if there are several


@dataclass(frozen=True)
class Snapshot:
    """pg_current_snapshot(): transactions from `xmax` on, and those in `running`, are not seen."""

    xmin: int
    xmax: int
    running: tuple[int, ...] = ()

    def sees(self, number: int) -> bool:
        """Tell whether changes of a transaction that has committed are seen."""
        return number < self.xmax and number not in self.running


@dataclass(frozen=True)
class Moment:
    """Something that happens in one session: a step, the end of its waiting, or its death."""

    session: int
    kind: Kind
    step: int  # its number in the session, from 0
    text: str  # its SQL, with the values of variables
    outcome: Outcome
    answer: str = ""  # "n = 1", "1 row", or the server's error
    note: str = ""
    waits_for: tuple[int, ...] = ()  # sessions; -1 is a session of someone else
    commits: bool = False  # its transaction is committed here
    number: int | None = None  # of its transaction, if it has written or locked
    sees: Snapshot | None = None
    locks: tuple[Lock, ...] = ()
    rows: tuple[Row, ...] = ()  # the watched tables, as this session sees them afterwards


@dataclass(frozen=True)
class Recording:
    """A scene that was played in one order."""

    scene: str
    title: str
    about: str
    promise: str
    sessions: tuple[str, ...]
    order: str  # "ada ada bob"
    moments: tuple[Moment, ...]
    held: bool
    evidence: str = ""  # the further columns of the promise's query: "jobs = 1, 1"
    at_the_end: tuple[Row, ...] = ()  # the watched tables
    deadlock: bool = False
    stuck: tuple[int, ...] = ()  # sessions that wait for ever

    @property
    def waits(self) -> int:
        """Count the statements that had to wait for another session's lock."""
        return sum(one.outcome == "waits" for one in self.moments)

    @property
    def errors(self) -> list[str]:
        """The server's errors."""
        return [one.answer for one in self.moments if one.outcome == "error"]


def structure(recording: Recording) -> dict[str, Any]:
    """Return what is the same each time that an order is played: everything without transactions' numbers."""
    return {
        "held": recording.held,
        "evidence": recording.evidence,
        "deadlock": recording.deadlock,
        "stuck": list(recording.stuck),
        "moments": [
            [one.session, one.kind, one.step, one.text, one.outcome, one.answer, list(one.waits_for), one.commits]
            for one in recording.moments
        ],
        "rows": [[[row.table, row.values] for row in one.rows] for one in recording.moments],
    }


def renumbered(recording: Recording) -> Recording:
    """Return the recording with its transactions counted from FIRST_NUMBER."""
    numbers = sorted(set(_numbers(recording)) - {0, SEVERAL})
    new = {0: 0, SEVERAL: SEVERAL} | {number: FIRST_NUMBER + index for index, number in enumerate(numbers)}

    def rows(old: Iterable[Row]) -> tuple[Row, ...]:
        return tuple(replace(row, xmin=new[row.xmin], xmax=new[row.xmax]) for row in old)

    def lock(old: Lock) -> Lock:
        kind, _, number = old.what.partition(" ")
        return replace(old, what=f"transaction {new[int(number)]}") if kind == "transaction" else old

    def moment(old: Moment) -> Moment:
        sees = old.sees
        if sees is not None:
            sees = Snapshot(new[sees.xmin], new[sees.xmax], tuple(new[one] for one in sees.running))
        return replace(
            old,
            number=None if old.number is None else new[old.number],
            sees=sees,
            locks=tuple(lock(one) for one in old.locks),
            rows=rows(old.rows),
        )

    moments = tuple(moment(one) for one in recording.moments)
    return replace(recording, moments=moments, at_the_end=rows(recording.at_the_end))


def _numbers(recording: Recording) -> Iterable[int]:
    rows = list(recording.at_the_end)
    for one in recording.moments:
        rows += one.rows
        if one.number is not None:
            yield one.number
        if one.sees is not None:
            yield from (one.sees.xmin, one.sees.xmax, *one.sees.running)
        for lock in one.locks:
            kind, _, number = lock.what.partition(" ")
            if kind == "transaction":
                yield int(number)
    for row in rows:
        yield from (row.xmin, row.xmax)


def to_json(recording: Recording) -> str:
    """Return the recording as JSON, with a line for each moment."""
    everything = asdict(recording)
    moments = everything.pop("moments")
    head = json.dumps(everything, ensure_ascii=False, indent=1)
    lines = ",\n".join("  " + json.dumps(_short(one), ensure_ascii=False) for one in moments)
    return head.removesuffix("\n}") + ',\n "moments": [\n' + lines + "\n ]\n}\n"


def _short(moment: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in moment.items() if value or (isinstance(value, int) and value is not False)}


def from_json(text: str) -> Recording:
    """Return the recording of a JSON text.

    Raises:
        PayloadError: it is no recording of this version of the program.
    """
    try:
        found = json.loads(text)
        moments = tuple(_moment(one) for one in found.pop("moments"))
        rows = tuple(Row(**row) for row in found.pop("at_the_end"))
        found |= {"sessions": tuple(found["sessions"]), "stuck": tuple(found["stuck"])}
        return Recording(moments=moments, at_the_end=rows, **found)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise PayloadError(f"This is no recording of the microscope ({error}): record it again.") from error


def _moment(found: dict[str, Any]) -> Moment:
    if (sees := found.get("sees")) is not None:
        found["sees"] = Snapshot(sees["xmin"], sees["xmax"], tuple(sees["running"]))
    found["locks"] = tuple(Lock(**one) for one in found.get("locks", ()))
    found["rows"] = tuple(Row(**one) for one in found.get("rows", ()))
    found["waits_for"] = tuple(found.get("waits_for", ()))
    return Moment(**found)
