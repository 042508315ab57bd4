"""Events that the database announces on one channel; the triggers of migrations 0008 and 0029 send them.

An event is a hint and can be lost: a receiver always reads the tables. Any login can send a NOTIFY, so everything that
is not one of these events is dropped.
"""

from __future__ import annotations

import json
from typing import Any

from ganns.monitor.rows import LARGEST

CHANNEL = "ganns_events"
OF_ROUND = ("opened", "claimed", "requeued", "submitted", "refused", "skipped", "late", "closed")
NAMES = frozenset((*OF_ROUND, "drawn", "evaluated", "joined", "created", "changed", "controlled", "incident"))
NUMBERS = ("run", "round", "version", "unit", "worker")

Event = dict[str, Any]
"""`event` is one of `NAMES`; of `NUMBERS`, an event has those that concern it, as integers."""


def parse(payload: str) -> Event | None:
    """Return the event of a notification's payload, or None if the payload is no event."""
    try:
        said = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict) or not isinstance(said.get("event"), str) or said["event"] not in NAMES:
        return None
    numbers = {key: said[key] for key in NUMBERS if key in said}
    if not all(type(value) is int and 0 <= value <= LARGEST for value in numbers.values()):
        return None
    return {"event": said["event"], **numbers}
