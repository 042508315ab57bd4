"""The events that a chart of a run marks: orders, workers that joined, findings about its health, a way back.

An event has a time, and a chart has rounds: an event is marked at the first round that closed after it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ganns.evaluation.health import Symptom
from ganns.monitor.wording import person

MAX_MARKS = 40
"""With more, the oldest are left out: a chart with more lines shows nothing."""
MAX_NAMES = 3
"""Names in the text of one mark."""
ORDERS = {"pause": "paused", "resume": "resumed", "stop": "stopped"}
FINDINGS = {"won": "D won", "guessing": "D guesses", "exploded": "losses explode"}

Mark = dict[str, Any]
"""`round`, `kind` (joined, order, health or back), `label` for the chart, and `text`, a sentence."""


def marks(
    events: Iterable[Mapping[str, Any]],
    rounds: Sequence[Mapping[str, Any]],
    begun: Iterable[tuple[int, Symptom]],
    went_back_at_version: int | None,
) -> list[Mark]:
    """Return the marks of a run, in the order of their rounds.

    Args:
        events: rows of `watch_marks`: `at`, `kind`, `units` and `who`.
        rounds: the closed rounds in order, rows of `watch_metrics`: `round`, and `at`, the time when it closed.
        begun: findings, with the rounds with which they began.
        went_back_at_version: with which version the run went back, or None.
    """
    found: list[Mark] = []
    joined: dict[int, list[str]] = defaultdict(list)
    for row in events:
        number = _round_of(row["at"], rounds)
        if row["kind"] == "joined":
            joined[number].append(row["who"])
        else:
            label = _order(row["kind"], row["units"])
            found.append(_mark(number, "order", label, f"{label} by {person(row['who'])}"))
    for number, names in joined.items():
        found.append(_mark(number, "joined", f"+{len(names)}", f"{_list(sorted(set(names)))} joined"))
    for number, one in begun:
        found.append(_mark(number, "health", FINDINGS.get(one.name, one.name), one.text))
    if went_back_at_version is not None:
        found.append(_mark(went_back_at_version, "back", "went back", "the model broke, and the run went back"))
    return sorted(found, key=lambda one: (one["round"], one["kind"], one["label"]))[-MAX_MARKS:]


def _round_of(at: float, rounds: Sequence[Mapping[str, Any]]) -> int:
    """Return the first round that closed at or after a time; the next one if none did yet."""
    place = bisect_left(rounds, at, key=lambda one: one["at"])
    if place < len(rounds):
        return int(rounds[place]["round"])
    return int(rounds[-1]["round"]) + 1 if rounds else 0


def _order(kind: str, units: int | None) -> str:
    if kind == "quorum":
        return f"quorum {units}" if units else "quorum as configured"
    return ORDERS.get(kind, kind)


def _list(names: Sequence[str]) -> str:
    if len(names) <= MAX_NAMES:
        return ", ".join(names)
    return f"{', '.join(names[:MAX_NAMES])} and {len(names) - MAX_NAMES} more"


def _mark(number: int, kind: str, label: str, text: str) -> Mark:
    return {"round": number, "kind": kind, "label": label, "text": text}
