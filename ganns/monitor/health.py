"""The health of a run, for its watchers: why it does not learn, for whom it waits, and who prepares images meanwhile.

Nothing of this is stored: it follows from the rows of metrics, evaluations, units and workers. So a page that is opened
later shows the same, and a finding ends with its condition.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ganns.db.connect import Connection
from ganns.db.queries import execute
from ganns.evaluation.health import RoundHealth, SampleHealth, Symptom
from ganns.monitor.people import ALIVE_S
from ganns.monitor.rows import numbers
from ganns.queue.rescue import SILENT_S
from ganns.utils.printable import printable

LATE_S = 3.0
"""A unit may take this much longer than usual, or twice the usual time, before its worker is said to be waited for."""
UNKNOWN_S = 30.0
"""The same where no unit has been finished yet, so that the usual time is not known."""
STALLED_S, STALLED = 30.0, 5.0
"""A run is stalled when its open round is older than this, and than this many usual rounds."""
USUAL = 20
"""The usual time of a unit is the median over this many rounds."""
MAX_WAITS = 3
REMEDY = (
    "An instructor can lower the number of results that close a round. Spares (quorum.spares) and a deadline "
    "(quorum.deadline_s) do so by themselves"
)
STARTED = re.compile(r"([\d,]{1,12}) of ([\d,]{1,12})$")

Entry = dict[str, str]
"""`kind`, `text`, and `remedy`, which may be empty."""


class RunHealth:
    """Follows one run. One thread uses it."""

    def __init__(self, run_id: int) -> None:
        """Start without any round."""
        self._run_id = run_id
        self.forget()

    def forget(self) -> None:
        """Start again: the run went back to an earlier version on another machine."""
        self._rounds = RoundHealth()
        self.begun: list[tuple[int, Symptom]] = []
        """The findings so far, each with the round with which it began."""

    def add(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add new rounds, as rows of `watch_metrics`."""
        for row in rows:
            found = self._rounds.watch(_known(row["metrics"]))
            self.begun += [(row["round"], one) for one in found]

    def look(self, conn: Connection, run: Mapping[str, Any], evaluations: Iterable[Mapping[str, Any]]) -> list[Entry]:
        """Return what is to be said about the run now.

        Args:
            conn: a connection.
            run: the result of `look_at_run`.
            evaluations: the metrics of the run's evaluations, in order.
        """
        findings = [*self._rounds.present.values(), *alike(evaluations)]
        said = [_entry(one.name, f"{one.text[0].upper()}{one.text[1:]}.", f"{one.remedy}.") for one in findings]
        if not is_trained(run):
            return said
        said += stalled(run)
        if must_ask(run):
            rows = execute(conn, "watch_waited_for", run_id=self._run_id, first=run["version"] - USUAL).fetchall()
            said += waited_for(rows)
        return said + [preparing(row) for row in execute(conn, "watch_preparing")]


def is_trained(run: Mapping[str, Any]) -> bool:
    """Tell whether the run has a coordinator, workers, and an open round."""
    return bool(run["state"] == "open" and run["coordinated"] and run["workers_alive"] and _open_rounds(run))


def alike(evaluations: Iterable[Mapping[str, Any]]) -> list[Symptom]:
    """Return the finding about samples that look alike, if it lasts."""
    health = SampleHealth()
    for one in evaluations:
        if one.get("pixel_variance") is not None and one.get("feature_variance") is not None:
            health.watch(one)
    return list(health.present.values())


def stalled(run: Mapping[str, Any]) -> list[Entry]:
    """Return the entry that no round has closed for long; nothing before the usual time is known."""
    per_min, age_s = run["rounds_per_min"], _open_rounds(run)[0]["age_s"]
    if not per_min or age_s <= max(STALLED_S, STALLED * 60 / per_min):
        return []
    text = f"No round has closed for {seconds(age_s)}; usually one takes {seconds(60 / per_min)}."
    return [_entry("stalled", text, f"{REMEDY}.")]


def must_ask(run: Mapping[str, Any]) -> bool:
    """Tell whether the oldest open round waits for results long enough to ask whose they are."""
    oldest = _open_rounds(run)[0]
    helped = sum(unit["state"] in ("submitted", "accepted") for unit in oldest["units"])
    return bool(oldest["age_s"] > LATE_S and helped < oldest["quorum"])


def waited_for(rows: Sequence[Mapping[str, Any]]) -> list[Entry]:
    """Return an entry for each worker that the oldest open round waits for, the longest wait first.

    Args:
        rows: of `watch_waited_for`: `round`, `name`, `seconds`, `usual_s` and `silent_s`.
    """
    oldest = min((row["round"] for row in rows), default=None)
    said: dict[str, Entry] = {}
    for row in rows:
        if row["round"] == oldest and (why := _why(row["seconds"], row["usual_s"], row["silent_s"])):
            said.setdefault(row["name"], _entry("waiting", f"Waiting for {row['name']}: {why}."))
    return list(said.values())[:MAX_WAITS]


def _why(spent_s: float, usual_s: float | None, silent_s: float | None) -> str:
    """Return why a unit is still not there, or "" while it is not late."""
    if silent_s is not None and silent_s > ALIVE_S:
        return f"silent for {seconds(silent_s)}; after {SILENT_S:.0f} s its unit is queued again"
    if usual_s is None:
        return f"computing for {seconds(spent_s)}" if spent_s > UNKNOWN_S else ""
    over_s = spent_s - usual_s
    return f"computing, {seconds(over_s)} more than usual" if over_s > max(LATE_S, usual_s) else ""


def preparing(row: Mapping[str, Any]) -> Entry:
    """Return the entry for a worker that prepares images before it takes a unit: nobody waits for it."""
    text = printable(row["preparing"], 80)
    share = ""
    if found := STARTED.search(text):
        done, num = (int(one.replace(",", "") or 0) for one in found.groups())
        text, share = text[: found.start()].rstrip(" :"), f", {done / max(num, 1):.0%}".replace("%", " %")
    return _entry("preparing", f"{row['name']} is {text}{share} (not waited for).")


def seconds(value: float) -> str:
    """Return a time in words: "7 s" or "3 min"."""
    if value < 10:
        return f"{value:.1f} s"
    return f"{value:.0f} s" if value < 120 else f"{value / 60:.0f} min"


def _open_rounds(run: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [one for one in run["rounds"] if one["open"]]


def _known(metrics: Any) -> dict[str, float]:
    return {name: value for name, value in numbers(metrics).items() if value is not None}


def _entry(kind: str, text: str, remedy: str = "") -> Entry:
    return {"kind": kind, "text": text, "remedy": remedy}
