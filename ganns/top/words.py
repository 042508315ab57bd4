"""States, events and numbers as people read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DASH = "–"

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
"""For each state of a unit its letter, which says it without colours, and its style."""


def run_in_words(run: Mapping[str, Any]) -> tuple[str, str]:
    """Return what a run does, and the style to say it in."""
    if run["state"] != "open":
        return {"finished": ("finished", "green"), "diverged": ("diverged: it did not learn", "bold red")}.get(
            run["state"], (run["state"], "")
        )
    wanted, who = run.get("wanted", "run"), run.get("wanted_by") or "the instructor"
    if not run["coordinated"]:
        return f"{'paused, and ' * (wanted == 'pause')}stopped: `ganns train resume={run['run']}` goes on", "yellow"
    if wanted == "pause":
        working = any(one["open"] for one in run["rounds"])
        return (f"to be paused by {who}" if working else f"paused by {who}: `ganns runs resume {run['run']}`"), "yellow"
    if wanted == "stop":
        return f"to be stopped by {who}", "yellow"
    return ("training", "green") if run["workers_alive"] else ("waiting for workers: `ganns worker`", "yellow")


def worker_in_words(person: Mapping[str, Any], run: int, unit: int | None) -> tuple[str, str]:
    """Return what a worker does, or for how long it gave no sign of life, and the style to say it in.

    Args:
        person: of the message "people".
        run: the run that is shown.
        unit: the unit of it that the worker computes, by the message "run", which comes more often.
    """
    if not person["alive"]:
        silent_s = person["silent_s"]
        return ("left", "dim") if silent_s is None else (f"silent for {seconds(silent_s)}", "red")
    if person["draining"]:
        return "leaving", "yellow"
    if unit is not None:
        return f"unit {unit}", "cyan"
    other = person.get("computes")
    return (f"in run {other['run']}", "cyan") if other and other["run"] != run else ("waiting", "")


def event_in_words(event: Mapping[str, Any], name: str, run: int | None) -> str:
    """Return an event as a sentence, or "" for those that the units of the open round show anyway."""
    who, unit = name or "somebody", f"unit {event.get('unit')} of round {event.get('round')}"
    return {
        "requeued": f"{unit} is to be computed again",
        "refused": f"a result for {unit} was refused",
        "skipped": f"{unit} was given up: nobody can compute it",
        "late": f"{who} was late with {unit}: it counts as effort",
        "closed": f"round {event.get('round')} is closed",
        "drawn": f"samples of version {event.get('version')} were drawn",
        "evaluated": f"version {event.get('version')} was evaluated",
        "joined": f"{who} joined",
        "created": f"run {run} began",
        "changed": f"the state of run {run} changed",
        "controlled": f"somebody steered run {run}",
    }.get(event["event"], "")


def number(value: float | None, digits: int = 1) -> str:
    """Return "1,234" or "12.3"; a dash for None."""
    if value is None:
        return DASH
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.{digits}f}"


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
