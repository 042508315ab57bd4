"""A connection for work that comes and goes: opened when it is needed, closed when it is not, cut when it hangs.

A *half-open* connection is the trap: something between us and the server (a proxy, a NAT, a firewall) still
acknowledges what we send, but the server is not there. Keepalives are answered, so the operating system notices
nothing, and a thread that waits for an answer waits for ever. Nobody can interrupt that thread, but anybody can
shut its socket down: then it wakes with an error, as if the server had closed the connection.
"""

from __future__ import annotations

import socket
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg

from ganns.db.address import require
from ganns.db.connect import Connection, connect

IDLE_S = 5.0
"""A waiting worker holds no connection for blobs; between two units of a round it does."""
STUCK_S = 120.0
"""The last resort, for when this connection alone hangs: 25 MB at 2 Mbit/s take as long."""

_links: weakref.WeakSet[Link] = weakref.WeakSet()


def cut(conn: psycopg.Connection[Any] | psycopg.AsyncConnection[Any]) -> None:
    """Shut a connection's socket down, from any thread: whoever waits on it wakes with an error."""
    # Made from the number alone: the family does not matter to `shutdown`. Closing the copy is harmless.
    with (
        suppress(psycopg.Error, OSError),
        socket.fromfd(conn.fileno(), socket.AF_INET, socket.SOCK_STREAM) as copy,
    ):
        copy.shutdown(socket.SHUT_RDWR)


def cut_suspects(older_than_s: float = 3.0) -> int:
    """Cut every link of this process that waits for an answer since `older_than_s`; return how many.

    For whoever had to reconnect just now: what waits since before then, waits for a server that is not there.
    """
    return sum(link.cut_if_waiting(older_than_s) for link in list(_links))


class Link:
    """One connection, used by one statement at a time and by several threads."""

    def __init__(self, application: str, idle_s: float = IDLE_S, stuck_s: float = STUCK_S) -> None:
        """Prepare; nothing is connected yet."""
        self._application, self._idle_s, self._stuck_s = application, idle_s, stuck_s
        self._turn = threading.RLock()
        self._conn: Connection | None = None
        self._busy_since: float | None = None
        self._used_at = time.monotonic()
        self._watch: threading.Thread | None = None
        self.num_opened = 0
        _links.add(self)

    @contextmanager
    def use(self) -> Iterator[Connection]:
        """Yield the open connection, for a few statements; others wait meanwhile.

        Raises:
            DatabaseUnreachable: if there is no server.
        """
        with self._turn:
            outermost = self._busy_since is None
            self._busy_since = self._busy_since or time.monotonic()
            try:
                if self._conn is None or self._conn.closed or self._conn.broken:
                    self._conn = connect(require(), application=self._application)
                    self.num_opened += 1
                    self._ensure_watch()
                yield self._conn
            finally:
                self._used_at = time.monotonic()
                if outermost:
                    self._busy_since = None

    def cut_if_waiting(self, longer_than_s: float) -> bool:
        """Cut the connection if somebody waits for an answer since so long; tell whether it was so."""
        since, conn = self._busy_since, self._conn
        if since is None or conn is None or time.monotonic() - since < longer_than_s:
            return False
        cut(conn)
        return True

    def close(self) -> None:
        """Close the connection; the next use opens another."""
        with self._turn:
            if self._conn is not None:
                self._conn.close()
                self._conn = None

    def _ensure_watch(self) -> None:
        if self._watch is None or not self._watch.is_alive():
            self._watch = threading.Thread(target=_watch, args=(weakref.ref(self),), name="link", daemon=True)
            self._watch.start()

    def _look(self) -> bool:
        """Cut what is stuck, close what is idle; tell whether there is still something to look after."""
        self.cut_if_waiting(self._stuck_s)
        # Not waiting for the turn: whoever has it is using the connection.
        if time.monotonic() - self._used_at > self._idle_s and self._turn.acquire(blocking=False):
            try:
                if self._busy_since is None:
                    self.close()
                    self._watch = None
                    return False
            finally:
                self._turn.release()
        return True


def _watch(reference: weakref.ref[Link]) -> None:
    """Look after a link for as long as it has a connection; it may be forgotten meanwhile."""
    while (link := reference()) is not None and link._look():
        pause_s = min(1.0, link._idle_s / 2)
        del link
        time.sleep(pause_s)
