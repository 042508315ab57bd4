"""Questions of `ganns doctor` and `ganns db status` to the server."""

from __future__ import annotations

import secrets
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

from psycopg import sql

from ganns.db.address import Address
from ganns.db.connect import Connection, connect
from ganns.db.pieces import LARGEST_BYTES, Pace, Value, pipelined
from ganns.db.queries import execute

HEAR_S = 3.0
TRIES = 3
LINK_S, LINK_BYTES = 2.0, 8_000_000


def clock_ahead_s(conn: Connection) -> float:
    """Return the seconds by which this machine's clock is ahead of the server's; 0 if the answer's delay hides it."""
    before = time.time()
    row = execute(conn, "server_clock").fetchone()
    after = time.time()
    assert row is not None
    there = float(row["now"])
    return before - there if before > there else min(0.0, after - there)


def worker_rights(conn: Connection) -> dict[str, Any]:
    """Return {denied, may_call, finds_queue, may_register, role}: which of a worker's rights this login has."""
    row = execute(conn, "worker_rights").fetchone()
    assert row is not None
    return dict(row)


def hears_notifications(address: Address, hear_s: float = HEAR_S) -> bool:
    """Return True if a notification arrives here.

    A pooler in transaction mode accepts LISTEN, and then lends the listening server process to another client: there is
    no error, but no notification arrives.

    Raises:
        DatabaseUnreachable: if the server does not answer.
    """
    channel = sql.Identifier(f"ganns_doctor_{secrets.token_hex(6)}")
    with connect(address, application="ganns doctor") as here, connect(address, application="ganns doctor") as there:
        here.execute(sql.SQL("LISTEN {}").format(channel))
        for _ in range(TRIES):
            there.execute(sql.SQL("NOTIFY {}").format(channel))
            if list(here.notifies(timeout=hear_s / TRIES, stop_after=1)):
                return True
    return False


def link_mbit(conn: Connection, seconds: float = LINK_S, most_bytes: int = LINK_BYTES) -> dict[str, float]:
    """Measure the link to the server and from it: return {"up", "down"} in Mbit/s.

    Args:
        conn: a connection; it moves pieces as workers do.
        seconds: for each direction.
        most_bytes: to move in each direction, on a fast link.
    """
    return {
        "up": _one_way(conn, "link_up", seconds, most_bytes),
        "down": _one_way(conn, "link_down", seconds, most_bytes),
    }


def _one_way(conn: Connection, name: str, seconds: float, most_bytes: int) -> float:
    data, pace, sizes, sent, moved = memoryview(bytes(LARGEST_BYTES)), Pace(), deque[int](), 0, 0
    begun = time.monotonic()

    def requests() -> Iterator[dict[str, Value]]:
        nonlocal sent
        while sent < most_bytes and time.monotonic() - begun < seconds:
            sizes.append(pace.size)
            sent += pace.size
            yield {"data": data[: pace.size], "length": pace.size}  # each query has one of the two

    for _, took in pipelined(conn, name, requests()):
        moved += sizes[0]
        pace.took(sizes.popleft(), took)
    return 8e-6 * moved / max(time.monotonic() - begun, 1e-6)


def describe(conn: Connection) -> dict[str, Any]:
    """Return {server, size_bytes, role}."""
    return execute(conn, "database_facts").fetchone() or {}


def largest_tables(conn: Connection, num: int) -> list[tuple[str, int]]:
    """Return (name, bytes with indexes) of our largest tables."""
    return [(row["name"], row["size_bytes"]) for row in execute(conn, "table_sizes").fetchmany(num)]


def contents(conn: Connection) -> dict[str, int]:
    """Return {num_runs, num_coordinated, num_units, num_jobs} of a migrated database."""
    return execute(conn, "count_contents").fetchone() or {}
