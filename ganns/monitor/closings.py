"""The rounds between two moments: how many closed, with how many results, and the longest wait for one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from ganns.db.connect import Connection
from ganns.db.queries import execute


@dataclass(frozen=True)
class Span:
    """Figures of the rounds of a run between two moments."""

    rounds: int
    longest_s: float
    """The longest time between two closings; the first counts from the opening of the round that was open, and the last
    until the end, when it was still open."""
    images: int
    late: int
    """Results that came after their round had closed."""
    full: bool
    """Whether each of the rounds closed with its whole quorum."""

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for a page."""
        return asdict(self) | {"longest_s": round(self.longest_s, 2)}


def server_time(conn: Connection) -> float:
    """Return the server's time, in seconds since 1970."""
    row = execute(conn, "watch_clock").fetchone()
    assert row is not None
    return float(row["now"])


def look_at_closings(conn: Connection, run_id: int, since: float, until: float) -> list[dict[str, Any]]:
    """Return the rounds that were open at some time between two moments of the server, in order."""
    return execute(conn, "watch_closings", run_id=run_id, since=since, until=until).fetchall()


def span(rows: Sequence[Mapping[str, Any]], since: float, until: float) -> Span:
    """Sum up the rounds between two moments.

    Args:
        rows: the result of `look_at_closings` for these moments, or for a longer time.
        since: the first moment, in seconds since 1970.
        until: the last one.
    """
    closed = [one for one in rows if one["closed_at"] is not None and since <= one["closed_at"] <= until]
    opened = (one["opened_at"] for one in rows if one["closed_at"] is None or one["closed_at"] >= since)
    begun = min([since, *opened])
    moments = [begun, *sorted(one["closed_at"] for one in closed), until]
    return Span(
        rounds=len(closed),
        longest_s=max(after - before for before, after in pairwise(moments)),
        images=sum(one["images"] for one in closed),
        late=sum(one["late"] for one in closed),
        full=all(one["accepted"] >= one["quorum"] for one in closed),
    )
