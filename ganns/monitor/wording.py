"""Say a run's state in words: one table for `ganns top` and for every page of the dashboard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def person(asked_by: str | None) -> str:
    """Return the name of the person who asked, without the machine: "ada" of "ada@desk (process 7)"."""
    return (asked_by or "").partition(" (")[0].partition("@")[0]


def run_wording(run: Mapping[str, Any]) -> dict[str, str]:
    """Return `sign`, `kind` ("good", "warn" or "bad"), `word`, `sentence` and `command` for a run's state.

    Args:
        run: the message "run", or a row of "runs", which says nothing about rounds and workers.
    """
    number, wanted = run["run"], run.get("wanted", "run")
    by = f" by {run['wanted_by']}" if run.get("wanted_by") else ""
    resume, train = f"ganns runs resume {number}", f"ganns train resume={number}"
    if run["state"] == "finished":
        words = ("✓", "good", "finished", "The run reached its end.", "")
    elif run["state"] == "diverged":
        how = "The model broke. Try a smaller learning rate, or start a new run from its best version:"
        words = ("✕", "bad", "diverged", how, f"ganns train start_from={number}@best")
    elif not run["coordinated"] and wanted == "pause":
        words = ("⏸", "warn", f"paused{by}", "Its coordinator has left. Continue with:", f"{resume} && {train}")
    elif not run["coordinated"]:
        words = ("■", "warn", "stopped", "No coordinator trains this run. Continue with:", train)
    elif wanted == "stop":
        words = ("■", "warn", "stopping", f"Stopped{by}. The coordinator completes the open round first.", "")
    elif wanted == "pause" and any(one["open"] for one in run.get("rounds", ())):
        words = ("⏸", "warn", "pausing", f"Paused{by} as soon as the open round is complete.", "")
    elif wanted == "pause":
        words = ("⏸", "warn", f"paused{by}", "Continue with:", resume)
    elif run.get("workers_alive") == 0:
        how = "No worker is here. Join with `ganns join` and the address that the coordinator printed, then:"
        words = ("…", "warn", "waiting for workers", how, "ganns worker")
    else:
        words = ("●", "good", "training", "", "")
    return dict(zip(("sign", "kind", "word", "sentence", "command"), words, strict=True))


def ends_wording(stop: Mapping[str, Any]) -> list[str]:
    """Return where a run ends, as in ["5,000 rounds", "20 minutes"]: the end that comes first counts."""
    return [f"{stop[end]:,} {end}" for end in ("rounds", "epochs", "minutes") if stop.get(end)]


def incident_wording(row: Mapping[str, Any]) -> str:
    """Return what was done about a session or a worker, as a sentence that a class may read: a name, and no login."""
    who, reason = row["worker"] or "a student", row["reason"]
    return {
        "ended": f"A session of {who} was ended: {reason}",
        "revoked": f"The login of {who} was shut out: {reason}",
        "overdue": f"{who} {reason}: another worker gets the unit",
        "excluded": f"{who} gets no more units of this run: {reason}",
    }[row["kind"]]
