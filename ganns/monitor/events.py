"""What the database says as it happens, on one channel; migration 0008 has the triggers that say it.

An event is a hint and can be lost: whoever gets one looks into the tables. Any login can send a NOTIFY, so what is not
an event of ours is dropped.
"""

from __future__ import annotations

import json
from typing import Any

CHANNEL = "ganns_events"
OF_ROUND = ("opened", "claimed", "requeued", "submitted", "refused", "skipped", "late", "closed")
NAMES = frozenset((*OF_ROUND, "drawn", "evaluated", "joined", "created", "changed", "controlled"))
NUMBERS = ("run", "round", "version", "unit", "worker")

Event = dict[str, Any]
"""`event` is one of `NAMES`; those of `NUMBERS` that it is about are integers."""


def parse(payload: str) -> Event | None:
    """Return the event of a notification's payload, or None if it is none."""
    try:
        said = json.loads(payload)
    except ValueError:
        return None
    if not isinstance(said, dict) or said.get("event") not in NAMES:
        return None
    numbers = {key: said[key] for key in NUMBERS if key in said}
    if not all(type(value) is int for value in numbers.values()):
        return None
    return {"event": said["event"], **numbers}
