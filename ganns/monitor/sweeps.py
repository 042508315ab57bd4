"""A sweep: its points, the settings in which they differ, and the result of each."""

from __future__ import annotations

from typing import Any

from ganns.config_diff import differing, flat, short, shown_in
from ganns.db.connect import Connection
from ganns.db.queries import execute
from ganns.monitor.rows import plain
from ganns.monitor.settings import redact
from ganns.monitor.wording import run_wording


def look_at_sweep(conn: Connection, key: str) -> dict[str, Any] | None:
    """Return a sweep, or None if there is none with this key.

    Returns:
        `axes`: each setting that differs, the seed last, with its `key` and a shorter `name`. `points`: each run with
        its `settings` in the order of the axes; an axis has numbers if all its values are numbers.
    """
    rows = execute(conn, "watch_sweep", sweep=key).fetchall()
    if not rows:
        return None
    settings = [flat(redact(row["config"])) for row in rows]
    keys = sorted((one for one in differing(settings) if one != "name"), key=lambda one: (one == "seed", one))
    numbers = {one for one in keys if all(_is_number(of.get(one)) for of in settings)}
    points = []
    for row, of in zip(rows, settings, strict=True):
        values = [of[one] if one in numbers else shown_in(of, one) for one in keys]
        shown_of = {name: value for name, value in plain(row).items() if name != "config"}
        points.append(shown_of | {"settings": values, "wording": run_wording(row)})
    axes = [{"key": one, "name": name} for one, name in zip(keys, short(keys), strict=True)]
    return {"sweep": key, "axes": axes, "points": points}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
