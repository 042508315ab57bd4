"""The past rounds of one run, as columns: a browser draws columns, and they need a tenth of the bytes of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ganns.db.connect import Connection
from ganns.db.queries import execute
from ganns.monitor.rows import number, numbers

MAX_POINTS = 2000
"""The most points of a chart; a longer run shows every second, fourth, ... round."""


class History:
    """The metrics and timings of a run's rounds. A round that lacks a metric has None there."""

    def __init__(self, run_id: int) -> None:
        """Start empty."""
        self._run_id = run_id
        self._rows: list[Mapping[str, Any]] = []

    @property
    def next_round(self) -> int:
        """The first round that was not fetched yet."""
        return self._rows[-1]["round"] + 1 if self._rows else 0

    def look(self, conn: Connection) -> int:
        """Fetch the new rounds; return their number."""
        rows = execute(conn, "watch_metrics", run_id=self._run_id, first=self.next_round).fetchall()
        self._rows.extend(rows)
        return len(rows)

    def last(self, num: int) -> Sequence[Mapping[str, Any]]:
        """Return the rows of the last rounds."""
        return self._rows[-num:] if num else []

    @property
    def rows(self) -> Sequence[Mapping[str, Any]]:
        """All rows so far, in order."""
        return self._rows

    def columns(self, last: int | None = None) -> dict[str, list[float | None]]:
        """Return the last rounds, or all, as columns: round, images, seconds, bytes, each metric, `t_` each timing."""
        if last is not None:
            return as_columns(self.last(last))
        every = 1
        while len(self._rows) > every * MAX_POINTS:
            every *= 2
        return as_columns(thinned(self._rows, every))

    def forget(self) -> None:
        """Drop all rows: the run went back to an earlier version on another machine."""
        self._rows.clear()


def thinned(rows: Sequence[Mapping[str, Any]], every: int) -> Sequence[Mapping[str, Any]]:
    """Return every n-th row, and the last."""
    return rows if every == 1 else [*rows[:-1:every], *rows[-1:]]


def as_columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[float | None]]:
    """Turn rows of `watch_metrics` into columns of numbers with five digits."""
    fixed = ("round", "images", "bytes_up", "bytes_down")
    metrics, timings = ([numbers(row[what]) for row in rows] for what in ("metrics", "timings"))
    return {
        **{key: [row[key] for row in rows] for key in fixed},
        "seconds": [number(round(row["seconds"], 2)) for row in rows],
        **{key: [one.get(key) for one in metrics] for key in sorted({key for one in metrics for key in one})},
        **{f"t_{key}": [one.get(key) for one in timings] for key in sorted({key for one in timings for key in one})},
    }
