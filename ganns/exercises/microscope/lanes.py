"""The place of every moment of a recording: a lane for each session, and time that runs downwards.

Pure: `svg` draws the result, `terminal` prints it, and the dashboard reads its sentences.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from ganns.exercises.microscope.recording import SEVERAL, Moment, Recording, Row

Tone = Literal["step", "waits", "went on", "commit", "error", "killed"]


@dataclass(frozen=True)
class Box:
    """A moment in its lane."""

    tick: int  # its place on the time axis, from 0
    lane: int
    tone: Tone
    note: str
    sql: str
    remarks: tuple[str, ...]  # the answer, what is waited for, what is not seen


@dataclass(frozen=True)
class Band:
    """A statement that waits, from one moment to another one."""

    lane: int
    first: int  # the tick at which it begins to wait
    last: int  # the tick at which it goes on; after the last tick, if it waits for ever
    words: str


@dataclass(frozen=True)
class Lanes:
    """A recording, laid out."""

    names: tuple[str, ...]
    boxes: tuple[Box, ...]
    bands: tuple[Band, ...]
    verdict: str
    held: bool


def lay_out(recording: Recording) -> Lanes:
    """Return the lanes of a recording."""
    boxes = tuple(_box(recording, tick) for tick in range(len(recording.moments)))
    return Lanes(recording.sessions, boxes, _bands(recording), verdict(recording), recording.held)


def verdict(recording: Recording) -> str:
    """Return in a sentence whether the promise held."""
    words = f"“{recording.promise.rstrip('.')}” {'holds' if recording.held else 'is broken'}"
    words += f": {recording.evidence}." if recording.evidence else "."
    if recording.deadlock:
        words = f"Deadlock: the server ended one session. {words}"
    if recording.stuck:
        names = " and ".join(recording.sessions[number] for number in recording.stuck)
        words = f"In the end, {names} {'waits' if len(recording.stuck) == 1 else 'wait'} for ever. {words}"
    return words


def _box(recording: Recording, tick: int) -> Box:
    moment = recording.moments[tick]
    tone: Tone = "step"
    if moment.outcome in ("error", "killed"):
        tone = "error" if moment.outcome == "error" else "killed"
    elif moment.outcome != "done":
        tone = "waits"
    elif moment.commits:
        tone = "commit"
    elif moment.kind == "went on":
        tone = "went on"
    begins = moment.kind == "step"
    note, sql = (moment.note, moment.text) if begins else ("", "")
    return Box(tick, moment.session, tone, note, sql, tuple(remarks(recording, tick)))


def remarks(recording: Recording, tick: int) -> list[str]:
    """Return what there is to say about a moment: its answer, what it waits for, what it does not see."""
    moment = recording.moments[tick]
    found = []
    if moment.kind == "killed":
        found.append("killed: its transaction is undone" if moment.answer else "killed")
        return found
    if moment.kind == "went on" and moment.outcome != "error":
        found.append("goes on")
    if moment.outcome == "waits":
        found.append(f"waits for {named(recording, moment.waits_for)}")
    elif moment.outcome == "waits for a notification":
        found.append("waits")
    elif moment.outcome == "error":
        found.append(f"error: {moment.answer}")
    elif moment.answer:
        found.append(f"→ {moment.answer}")
    if moment.commits and not moment.text.rstrip(";").upper().endswith(("COMMIT", "END")):
        found.append("committed at once")
    sql = _without_opening(moment.text).upper()
    writes_only = sql.startswith("INSERT") and "VALUES" in sql
    looks = moment.kind == "step" and moment.outcome == "done" and not writes_only
    if looks and (unseen := not_seen(recording, tick)):
        found.append(f"does not see: {', '.join(unseen)}")
    return found


def named(recording: Recording, sessions: tuple[int, ...]) -> str:
    """Return names as words: "ada and bob"."""
    return " and ".join("another program" if number < 0 else recording.sessions[number] for number in sessions)


def not_seen(recording: Recording, tick: int) -> list[str]:
    """Return the other sessions whose changes exist but are not in the snapshot of a statement, and why."""
    moment = recording.moments[tick]
    if moment.sees is None:
        return []
    found: dict[str, str] = {}
    for earlier in recording.moments[:tick]:
        number = earlier.number
        if earlier.session == moment.session or number is None or moment.sees.sees(number):
            continue
        if not _changed(earlier):
            continue
        name = recording.sessions[earlier.session]
        if earlier.outcome in ("error", "killed"):
            found.pop(name, None)
        else:
            found[name] = f"{name} (committed after this snapshot)" if earlier.commits else f"{name} (not committed)"
    return list(found.values())


def _changed(moment: Moment) -> bool:
    """Tell whether a session has changed something at a moment: a lock changes nothing that others could see."""
    if moment.outcome == "waits":
        return False
    is_query = _without_opening(moment.text).upper().startswith("SELECT")
    return not is_query or any(row.xmin == moment.number for row in moment.rows)


def _without_opening(text: str) -> str:
    """Return a step's last statement: its SQL without BEGIN and the like."""
    return re.sub(r"^((BEGIN|START|SET)\b[^;]*;\n)+", "", text, flags=re.IGNORECASE)


def _bands(recording: Recording) -> tuple[Band, ...]:
    found = []
    for tick, moment in enumerate(recording.moments):
        if not moment.outcome.startswith("waits"):
            continue
        later = range(tick + 1, len(recording.moments))
        end = next((at for at in later if recording.moments[at].session == moment.session), len(recording.moments))
        words = "waits for a notification"
        if moment.outcome == "waits":
            words = f"waits for {named(recording, moment.waits_for)}"
        found.append(Band(moment.session, tick, end, words))
    return tuple(found)


def owners(recording: Recording) -> dict[int, str]:
    """Return {number of a transaction: its session's name}."""
    return {one.number: recording.sessions[one.session] for one in recording.moments if one.number is not None}


def sentence(recording: Recording, tick: int) -> str:
    """Return a moment as a sentence, for captions and screen readers."""
    moment = recording.moments[tick]
    name = recording.sessions[moment.session]
    said = "; ".join(remarks(recording, tick)).removeprefix("→ ").replace("; →", " →")
    if moment.kind != "step":
        return f"{name} {said}."
    sql = " ".join(moment.text.split())
    return f"{name}: {sql}{f' → {said}' if said else ''}"


def details(recording: Recording, tick: int) -> list[tuple[str, str]]:
    """Return what the microscope saw at a moment: (name, words)."""
    moment, names = recording.moments[tick], owners(recording)
    found = []
    if moment.note:
        found.append(("why", moment.note))
    if moment.number is not None:
        found.append(("transaction", str(moment.number)))
    if moment.sees is not None:
        found.append(("snapshot", _snapshot(moment, names)))
    held = [f"{one.mode} on {_with_name(one.what, names)}" for one in moment.locks if one.granted]
    if held:
        found.append(("holds", ", ".join(held)))
    wanted = [f"{one.mode} on {_with_name(one.what, names)}" for one in moment.locks if not one.granted]
    if wanted:
        found.append(("waits for", ", ".join(wanted)))
    return found


def _snapshot(moment: Moment, names: dict[int, str]) -> str:
    assert moment.sees is not None
    running = [f"{number} ({names.get(number, 'another')})" for number in moment.sees.running]
    words = f"sees transactions before {moment.sees.xmax} that have committed"
    return words + (f", not {', '.join(running)}: running" if running else "")


def _with_name(what: str, names: dict[int, str]) -> str:
    kind, _, number = what.partition(" ")
    return f"{what} ({names[int(number)]})" if kind == "transaction" and int(number) in names else what


def row_cells(row: Row, names: dict[int, str]) -> tuple[str, str, str, str]:
    """Return a row as (table, values, xmin, xmax), with the sessions' names."""
    values = ", ".join(f"{key} = {_value(value)}" for key, value in row.values.items())
    table = row.table.rpartition(".")[2]
    return table, values, _transaction(row.xmin, names), "" if row.xmax == 0 else _transaction(row.xmax, names)


def _transaction(number: int, names: dict[int, str]) -> str:
    if number == SEVERAL:
        return "several"
    return f"{number} ({names[number]})" if number in names else str(number)


def _value(value: object) -> str:
    return "NULL" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
