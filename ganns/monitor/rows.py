"""Rows of the database as JSON that a browser can read, whatever a worker wrote into them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from psycopg.types.json import set_json_loads

from ganns.db.connect import Connection
from ganns.evaluation.ranking import DISTANCES
from ganns.utils.printable import printable

LARGEST = 2**53
"""The largest integer that JavaScript knows exactly."""
MAX_TEXT = 4000
MAX_DEPTH = 20


def plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with its times as seconds since 1970, and its best version's metrics as `best_distances`."""
    found = {key: value.timestamp() if isinstance(value, datetime) else value for key, value in row.items()}
    if "best_metrics" in found:
        found |= best_distances(found.pop("best_metrics"))
    return found


def best_distances(metrics: Any) -> dict[str, float | None]:
    """Return `best_fid` and `best_swd` of the best version's metrics; None where there is no such number."""
    found = numbers(metrics)
    return {f"best_{name}": found.get(name) for name in DISTANCES}


def clean(value: Any, depth: int = MAX_DEPTH) -> Any:
    """Return a copy of `value` that every reader can show.

    A number that is not finite or too large for JavaScript becomes None, as does what lies deeper than `depth`; texts
    are `printable`. Anything but numbers, texts, mappings and lists stays the same.
    """
    kind = type(value)
    if kind is float:
        return value if math.isfinite(value) else None
    if kind is int:
        return value if -LARGEST <= value <= LARGEST else None
    if kind is str:
        return value if len(value) <= MAX_TEXT and value.isprintable() else printable(value, MAX_TEXT)
    if isinstance(value, Mapping):
        return {clean(str(key)): clean(one, depth - 1) for key, one in value.items()} if depth else None
    if isinstance(value, list | tuple):
        return [clean(one, depth - 1) for one in value] if depth else None
    return value


def number(value: Any) -> float | None:
    """Return a number with five digits; None for anything else, and for a number that is not finite."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1e300 < value < 1e300:
        return None
    return float(f"{value:.5g}")


def numbers(value: Any) -> dict[str, float | None]:
    """Return the numbers of a JSON object by name; nothing if it is no object."""
    return {str(key): number(one) for key, one in value.items()} if isinstance(value, Mapping) else {}


def read_any_json(conn: Connection) -> None:
    """Let this connection read each JSON value that the database can hold; without this, some raise an error.

    A number outside of float64 becomes None, and so does a value that is nested too deeply for Python.
    """
    set_json_loads(_loads, conn)


def _loads(data: str | bytes) -> Any:
    try:
        return json.loads(data, parse_int=_int, parse_float=_float)
    except (ValueError, RecursionError):
        return None


def _int(text: str) -> int | float | None:
    return int(text) if len(text) <= 20 else _float(text)  # Python refuses to read more than 4300 digits


def _float(text: str) -> float | None:
    return value if math.isfinite(value := float(text)) else None
