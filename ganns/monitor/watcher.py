"""The thread that watches: it waits for events, reads the watched topics again, and sends the changes to the watchers.

It reads the database once, for any number of watchers, and reads only topics that have a watcher. Fast rounds do not
make it busy: after each read, a topic pauses in proportion to the cost of that read.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import psycopg
from psycopg import sql

from ganns.db.address import Address
from ganns.db.connect import Connection
from ganns.errors import DatabaseUnreachable, GannsError
from ganns.monitor.events import CHANNEL, Event, parse
from ganns.monitor.topics import PeopleTopic, RunsTopic, RunTopic, Topic, message
from ganns.monitor.viewer import connect_viewer

log = logging.getLogger(__name__)

DEBOUNCE_S = 0.1
"""Events within this time after a first one are handled together with it."""
REST, REST_WAITING, REST_S = 30, 3, 0.3
"""Pause of a topic after a read: 30 times its CPU time, 3 times its wall time (the server may be busy), 0.3 s."""
RETRY_S = 2.0
MAX_PENDING = 200
"""The most events that wait for a read; older ones are dropped."""

Key = tuple[str, int]
Deliver = Callable[[list[str]], None]
FACTORIES: dict[str, Callable[[int], Topic]] = {
    "run": RunTopic,
    "people": PeopleTopic,
    "runs": lambda _: RunsTopic(),
}


@dataclass
class Watched:
    """A topic with its watchers."""

    topic: Topic
    watchers: dict[Hashable, Deliver] = field(default_factory=dict)
    greet: list[Deliver] = field(default_factory=list)  # new watchers, which need the full state
    events: list[Event] = field(default_factory=list)
    looked_at: float = 0.0
    not_before: float = 0.0
    failed: str = ""  # why the last read gave nothing, if the reason is a row and not the server

    def due(self, now: float) -> float:
        """Return the time of the next read."""
        if self.greet:
            return now
        return max(self.not_before, now if self.events else self.looked_at + self.topic.period_s)


class Watcher(threading.Thread):
    """Reads the database for all watchers of this process."""

    def __init__(self, address: Address, application: str) -> None:
        """Prepare; `start` connects. Without a database the thread retries, and tells the watchers."""
        super().__init__(name="watcher", daemon=True)
        self._address, self._application = address, application
        self._lock = threading.Lock()
        self._watched: dict[Key, Watched] = {}
        self._ended = threading.Event()
        self.trouble = ""

    @contextmanager
    def watching(self, keys: list[Key], deliver: Deliver) -> Iterator[None]:
        """Deliver the messages of these topics within this block, from another thread; the full state comes first."""
        me = object()
        with self._lock:
            for key in keys:
                watched = self._watched.get(key) or Watched(FACTORIES[key[0]](key[1]))
                self._watched[key] = watched
                watched.watchers[me] = deliver
                watched.greet.append(deliver)
            if self.trouble:
                deliver([message("trouble", text=self.trouble)])
        try:
            yield
        finally:
            with self._lock:
                for key in keys:
                    watched = self._watched[key]
                    del watched.watchers[me]
                    with suppress(ValueError):
                        watched.greet.remove(deliver)
                    if not watched.watchers:
                        del self._watched[key]

    def stop(self) -> None:
        """End the thread within a second."""
        self._ended.set()

    def run(self) -> None:
        """Connect, listen and read until `stop`; connect again after the server went away."""
        while not self._ended.is_set():
            try:
                with connect_viewer(self._address, self._application) as conn:
                    conn.execute(sql.SQL("LISTEN {}").format(sql.Identifier(CHANNEL)))
                    self._say("")
                    while not self._ended.is_set():
                        self._turn(conn)
            except (psycopg.Error, GannsError) as error:
                if self._ended.is_set():
                    return
                unreachable = isinstance(error, psycopg.OperationalError | DatabaseUnreachable)
                # All viewers see this text, so it names no login and no host.
                self._say(
                    "The database does not answer; trying again. The training does not need this page."
                    if unreachable
                    else f"Reading the database failed ({type(error).__name__}): run `ganns db migrate`."
                )
                self._ended.wait(RETRY_S)

    def _turn(self, conn: Connection) -> None:
        """Wait for an event or the time of the next read, then read the topics that are due."""
        self._hear(conn, self._wait_s())
        now = time.monotonic()
        with self._lock:
            due = [one for one in self._watched.values() if one.due(now) <= now]
        for watched in due:
            self._look(conn, watched)

    def _wait_s(self) -> float:
        now = time.monotonic()
        with self._lock:
            due = min((one.due(now) for one in self._watched.values()), default=now + 0.2)
        return min(max(0.0, due - now), 0.2)  # a new watcher may arrive meanwhile

    def _hear(self, conn: Connection, wait_s: float) -> None:
        """Collect events for at most `wait_s` seconds, and for at most `DEBOUNCE_S` after the first one."""
        until = time.monotonic() + wait_s
        while (left := until - time.monotonic()) > 0 or wait_s == 0:
            for note in conn.notifies(timeout=max(0.0, left), stop_after=1):
                if (event := parse(note.payload)) is not None and self._note(event):
                    until = min(until, time.monotonic() + DEBOUNCE_S)
            if wait_s == 0:
                return

    def _note(self, event: Event) -> bool:
        """Store an event for the topics that it wakes; return whether it wakes any."""
        woken = False
        with self._lock:
            for watched in self._watched.values():
                if watched.topic.wakes(event):
                    woken = True
                    watched.events.append(event)
                    del watched.events[:-MAX_PENDING]
        return woken

    def _look(self, conn: Connection, watched: Watched) -> None:
        begun, cpu = time.monotonic(), time.thread_time()
        with self._lock:
            events, watched.events = watched.events, []
        news = self._read(conn, watched, events)
        ended = time.monotonic()
        rest_s = max(REST * (time.thread_time() - cpu), REST_WAITING * (ended - begun), REST_S)
        watched.looked_at, watched.not_before = ended, ended + rest_s
        with self._lock:
            greet, watched.greet = watched.greet, []
            for deliver in greet:
                deliver([message("trouble", text=watched.failed)] if watched.failed else watched.topic.whole())
            for deliver in watched.watchers.values():
                if news and deliver not in greet:
                    deliver(news)

    def _read(self, conn: Connection, watched: Watched, events: list[Event]) -> list[str]:
        """Return a topic's news. An error in one topic ends neither this thread nor the other topics.

        Raises:
            psycopg.Error, GannsError: the server's fault; all topics wait.
        """
        try:
            news = watched.topic.look(conn, events)
        except Exception as error:
            if isinstance(error, psycopg.Error | GannsError) and not isinstance(error, psycopg.DataError):
                raise
            # A row holds what no line of ours expects.
            if not watched.failed:
                log.exception("a page is not brought up to date any more")
            watched.failed = f"A row cannot be read ({type(error).__name__}), so this page stands still; see the log."
            return [message("trouble", text=watched.failed)]
        if watched.failed:
            watched.failed = ""
            news = [message("trouble", text=""), *news]
        return news

    def _say(self, trouble: str) -> None:
        """Tell all watchers about a problem, or that it is over."""
        with self._lock:
            changed, self.trouble = trouble != self.trouble, trouble
            if changed:
                for deliver in {id(d): d for one in self._watched.values() for d in one.watchers.values()}.values():
                    deliver([message("trouble", text=trouble)])
