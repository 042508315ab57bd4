"""States, events, numbers and curves as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ganns.monitor.wording import run_wording

DASH = "–"
BLOCKS = " ▁▂▃▄▅▆▇█"

UNITS = {
    "accepted": ("A", "bold green"),
    "submitted": ("S", "green"),
    "computing": ("c", "cyan"),
    "waiting": (".", "dim"),
    "refused": ("R", "bold red"),
    "late": ("L", "magenta"),
    "skipped": ("K", "yellow"),
    "cancelled": ("x", "dim"),
}
"""The letter of each state of a unit, readable without colours, and its style."""


STYLES = {"good": "green", "warn": "yellow", "bad": "bold red"}


def run_in_words(run: Mapping[str, Any]) -> tuple[str, str]:
    """Return a run's state, with the command to type if there is one, and its style."""
    words = run_wording(run)
    return words["word"] + (f": `{words['command']}`" if words["command"] else ""), STYLES[words["kind"]]


def link_in_words(person: Mapping[str, Any]) -> str:
    """Return the speed of a worker's link in Mbit/s, up and down, as the worker measured it."""
    found = [person["up_mbit"], person["down_mbit"]]
    return DASH if found == [None, None] else " ".join(DASH if one is None else f"{one:.3g}" for one in found)


def worker_in_words(person: Mapping[str, Any], run: int, unit: int | None) -> tuple[str, str]:
    """Return what a worker does, or for how long it sent no heartbeat, and the style of that text.

    Args:
        person: an entry of the message "people".
        run: the run that is shown.
        unit: the unit of that run that the worker computes, from the message "run", which comes more often.
    """
    if not person["alive"]:
        silent_s = person["silent_s"]
        return ("left", "dim") if silent_s is None else (f"silent for {seconds(silent_s)}", "red")
    if person["draining"]:
        return "leaving", "yellow"
    if unit is not None:
        return f"unit {unit}", "cyan"
    if person.get("preparing"):
        return person["preparing"], "yellow"
    other = person.get("computes")
    return (f"in run {other['run']}", "cyan") if other and other["run"] != run else ("waiting", "")


def event_in_words(event: Mapping[str, Any], name: str, run: int | None) -> str:
    """Return an event as a sentence, or "" for events that the units of the open round show already."""
    who, unit = name or "a worker", f"unit {event.get('unit')} of round {event.get('round')}"
    return {
        "requeued": f"{unit} will be computed again",
        "refused": f"a result for {unit} was refused",
        "skipped": f"{unit} was set aside after three failed attempts",
        "late": f"{who} was late with {unit}: recorded as effort",
        "closed": f"round {event.get('round')} is closed",
        "drawn": f"samples of version {event.get('version')} were drawn",
        "evaluated": f"version {event.get('version')} was evaluated",
        "joined": f"{who} joined",
        "created": f"run {run} began",
        "changed": f"the state of run {run} changed",
        "controlled": f"an instructor gave run {run} a command",
    }.get(event["event"], "")


def number(value: float | None, digits: int = 1) -> str:
    """Return "1,234" or "12.3"; a dash for None."""
    if value is None:
        return DASH
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.{digits}f}"


def decimal(value: float | None) -> str:
    """Return "0.87", "5.98", "12.3" or "1,234", for losses and distances; a dash for None."""
    return DASH if value is None else f"{value:.2f}" if value < 10 else number(value)


def seconds(value: float | None) -> str:
    """Return "50 ms", "3.2 s", "42 s", "4 min 3 s" or "1 h 20 min"; a dash for None."""
    if value is None:
        return DASH
    if value < 1:
        return f"{1000 * value:.0f} ms"
    if value < 10:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60} min"


def spark(
    values: Sequence[float | None],
    width: int,
    height: int = 1,
    low: float | None = None,
    high: float | None = None,
) -> list[str]:
    """Draw the last `width` values, one in each column; return `height` lines from top to bottom.

    Args:
        values: oldest first; None leaves its column empty.
        width: in characters.
        height: in lines.
        low: the value at the bottom; if None, the smallest value that is drawn.
        high: the value at the top; if None, the largest value that is drawn.
    """
    drawn = list(values[-width:]) if width > 0 else []
    known = [value for value in drawn if value is not None]
    if not known:
        return [""] * height
    low, high = min(known) if low is None else low, max(known) if high is None else high
    steps = 8 * height
    levels = []
    for value in drawn:
        part = 0.5 if high <= low else ((low if value is None else value) - low) / (high - low)
        # At least one eighth, so that a value at the bottom differs from a missing one.
        levels.append(0 if value is None else max(1, min(steps, round(part * steps))))
    return ["".join(BLOCKS[max(0, min(8, level - 8 * line))] for level in levels) for line in reversed(range(height))]
