"""Move large data in pieces, over any link: each piece is a transaction, and after a cut the next one follows.

A unit's result has 25 MB, and some students upload at 0.5 Mbit/s: then one statement with all of it takes 7 minutes,
and an interruption of a second costs all of them. So the data goes in pieces:

- A piece is as large as the link moves in about a second, from 64 kB to 1 MB (`Pace`). No transaction is long, and a
  heartbeat on the same link waits for two pieces at most.
- Two pieces are on the way at once, so the link does not rest during a round trip. This is libpq's pipeline mode with a
  Sync after each statement (https://www.postgresql.org/docs/current/libpq-pipeline-mode.html). psycopg's own pipeline
  waits at a Sync for all answers, so `pipelined` talks to libpq itself. It also works through PgBouncer in transaction
  mode, where the two may run on different connections to the server.
- After a lost connection `resumed` calls the transfer again, which goes on with the first piece that is not there.
"""

from __future__ import annotations

import functools
import re
import select
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

import psycopg
from psycopg import pq

from ganns.db.connect import Connection, note_progress
from ganns.db.queries import query
from ganns.errors import DatabaseUnreachable
from ganns.utils.backoff import backoff_s

BLOCK_BYTES = 1 << 16
"""Pieces are a whole number of blocks, except the last piece of the data."""
LARGEST_BYTES = 1 << 20
FIRST_BYTES = 4 * BLOCK_BYTES
PIECE_S = 1.0
"""The time that a piece should take. Two are on the way: a heartbeat behind them waits for 2 s, and may wait for 5."""
DEPTH = 2
LOOK_S = 1.0
MAX_FAILURES = 6
"""Connections in a row that may break without an answered piece: about half a minute with the pauses between them."""

Value = int | str | bytes | bytearray | memoryview
Row = list[bytes | None]
"""The columns of a row in PostgreSQL's binary format: an integer has its highest byte first."""


class Pace:
    """The size of the next piece, from the time that the last ones took."""

    def __init__(self) -> None:
        """Begin with the smallest piece: one round trip later the link is known."""
        self.size = BLOCK_BYTES

    def begin(self, *, again: bool) -> None:
        """Begin another transfer, or one `again` that was cut, with small pieces: the link may have changed."""
        self.size = BLOCK_BYTES if again else min(self.size, FIRST_BYTES)

    def took(self, num_bytes: int, seconds: float) -> None:
        """Take the time of a piece into account; the size grows at most eightfold."""
        blocks = int(num_bytes / max(seconds, 1e-6) * PIECE_S) // BLOCK_BYTES
        self.size = BLOCK_BYTES * max(1, min(blocks, 8 * self.size // BLOCK_BYTES, LARGEST_BYTES // BLOCK_BYTES))


class LinkSpeed:
    """The speed of this machine's link, from its last large transfers, and the pace of the next ones."""

    def __init__(self) -> None:
        """Begin without a transfer."""
        self.up, self.down = Pace(), Pace()
        self._moved = {"up": deque[tuple[int, float]](maxlen=8), "down": deque[tuple[int, float]](maxlen=8)}

    def moved(self, way: str, num_bytes: int, seconds: float) -> None:
        """Take a transfer "up" or "down" into account; a small one measures the round trip, and does not count."""
        if num_bytes >= 4 * BLOCK_BYTES and seconds > 0:
            self._moved[way].append((num_bytes, seconds))

    def mbit(self) -> dict[str, float]:
        """Return {"up_mbit", "down_mbit"} in Mbit/s, as far as they are known."""
        found = {}
        for way, moved in self._moved.items():
            if last := list(moved):  # another thread may add one meanwhile
                found[f"{way}_mbit"] = 8e-6 * sum(num for num, _ in last) / sum(seconds for _, seconds in last)
        return found


class Transfer(Protocol):
    """Data on its way, which knows how much of it has arrived."""

    done: int
    """Bytes that have arrived."""

    def run(self, conn: Connection) -> None:
        """Move what is missing."""


def resumed(use: Callable[[], AbstractContextManager[Connection]], transfer: Transfer) -> float:
    """Run a transfer, again and again on a new connection, until it is complete; return the seconds that it took.

    Args:
        use: yields an open connection, as `SharedConnection.use` does.
        transfer: the data.

    Raises:
        psycopg.Error, DatabaseUnreachable: if `MAX_FAILURES` connections in a row broke before a piece had arrived, or
            the error is not the connection's.
    """
    failures, begun = 0, time.monotonic()
    while True:
        before = transfer.done
        try:
            with use() as conn:
                transfer.run(conn)
            return time.monotonic() - begun
        except (psycopg.OperationalError, psycopg.InterfaceError, DatabaseUnreachable) as error:
            failures = failures + 1 if transfer.done == before else 1
            # psycopg calls "too large" operational too (class 54); it is as large the next time.
            if failures >= MAX_FAILURES or (getattr(error, "sqlstate", None) or "").startswith("54"):
                raise
        time.sleep(backoff_s(failures, 0.25, 8.0))


def pipelined(
    conn: Connection, name: str, requests: Iterable[Mapping[str, Value]]
) -> Generator[tuple[Row | None, float]]:
    """Run a named query for each request, each as a transaction of its own, and yield the answers in order.

    A request is taken from the iterable when less than `DEPTH` are on the way: its size can follow from the answers so
    far. A caller that needs no more answers lets the requests end. One that stops reading must close the generator
    (`contextlib.closing`); if answers are still on their way, this closes the connection, too.

    Args:
        conn: a connection in autocommit, without an open transaction or pipeline.
        name: a query that returns at most one row.
        requests: the parameters of each; integers, texts and bytes.

    Yields:
        The row, or None if there is none; and the seconds since the answer before, the link's time for one piece.

    Raises:
        psycopg.Error: the connection broke, or the server refused a statement; the connection is then closed.
    """
    statement, names = _positional(name)
    pgconn, left, num_waiting = conn.pgconn, iter(requests), 0
    pgconn.enter_pipeline_mode()
    before = time.monotonic()
    try:
        while True:
            while num_waiting < DEPTH and (one := next(left, None)) is not None:
                values = [one[key] for key in names]
                binary = [int(isinstance(value, bytes | bytearray | memoryview)) for value in values]
                encoded = [value if raw else str(value).encode() for value, raw in zip(values, binary, strict=True)]
                pgconn.send_query_params(statement, encoded, param_formats=binary, result_format=1)  # type: ignore[arg-type]
                pgconn.pipeline_sync()
                num_waiting += 1
            if not num_waiting:
                return
            row = _answer(conn)
            num_waiting -= 1
            seconds, before = time.monotonic() - before, time.monotonic()
            yield row, seconds
    finally:
        if num_waiting or pgconn.status == pq.ConnStatus.BAD:
            conn.close()  # answers on their way would be taken for those of the next statement
        else:
            pgconn.exit_pipeline_mode()


def _answer(conn: Connection) -> Row | None:
    """Wait for the answer of the oldest statement, and return its row."""
    pgconn, row = conn.pgconn, None
    while True:
        _wait(conn)
        result = pgconn.get_result()
        if result is None:  # the end of one statement's results
            continue
        if result.status == pq.ExecStatus.PIPELINE_SYNC:
            return row
        if result.status == pq.ExecStatus.FATAL_ERROR:
            state = (result.error_field(pq.DiagnosticField.SQLSTATE) or b"").decode()
            raise _error_of(state)(result.error_message.decode("utf-8", "replace").strip())
        if result.ntuples:
            row = [result.get_value(0, column) for column in range(result.nfields)]


def _error_of(state: str) -> type[psycopg.Error]:
    try:
        return psycopg.errors.lookup(state)
    except KeyError:
        return psycopg.OperationalError  # without a code: libpq's own error, of the connection


def _wait(conn: Connection) -> None:
    """Send and receive until there is a result to read."""
    pgconn = conn.pgconn
    while True:
        is_sending = pgconn.flush()
        if not pgconn.is_busy():
            return
        socket = [pgconn.socket]
        readable, writable, _ = select.select(socket, socket if is_sending else [], [], LOOK_S)
        if readable or writable:
            note_progress(conn)  # bytes have moved
        if readable or not writable:  # TLS can hold bytes of which the socket knows nothing
            pgconn.consume_input()


@functools.cache
def _positional(name: str) -> tuple[bytes, list[str]]:
    """Return a named query with $1, $2 in place of its parameters' names, as libpq wants it, and the names in order."""
    names: list[str] = []

    def number(found: re.Match[str]) -> str:
        if found[1] not in names:
            names.append(found[1])
        return f"${names.index(found[1]) + 1}"

    return re.sub(r"%\((\w+)\)[sb]", number, query(name)).replace("%%", "%").encode(), names
