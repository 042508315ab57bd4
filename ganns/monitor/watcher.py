"""The thread that looks: it listens, waits a moment for more, looks again at what is watched, and tells the watchers.

However many watch, the database is asked once. What nobody watches is not looked at. And however fast rounds follow
each other, looking takes a small part of a core: a topic rests in proportion to what the last look cost.
"""

from __future__ import annotations

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

DEBOUNCE_S = 0.1
"""What happens within this time after a first event is looked at together with it."""
REST, REST_WAITING, REST_S = 30, 3, 0.3
"""A topic rests for so many times what the last look cost in CPU time, and in time (the server may be busy, too), and
for so many seconds at least."""
RETRY_S = 2.0
MAX_PENDING = 200
"""Events that wait for a look; older ones are dropped."""

Key = tuple[str, int]
Deliver = Callable[[list[str]], None]
FACTORIES: dict[str, Callable[[int], Topic]] = {
    "run": RunTopic,
    "people": PeopleTopic,
    "runs": lambda _: RunsTopic(),
}


@dataclass
class Watched:
    """A topic that somebody watches."""

    topic: Topic
    watchers: dict[Hashable, Deliver] = field(default_factory=dict)
    greet: list[Deliver] = field(default_factory=list)  # who has not been told anything yet
    events: list[Event] = field(default_factory=list)
    looked_at: float = 0.0
    not_before: float = 0.0

    def due(self, now: float) -> float:
        """Return when it should be looked at."""
        if self.greet:
            return now
        return max(self.not_before, now if self.events else self.looked_at + self.topic.period_s)


class Watcher(threading.Thread):
    """Looks for everybody in this process."""

    def __init__(self, address: Address, application: str) -> None:
        """Prepare; `start` connects. Without a database it tries again, and tells the watchers so."""
        super().__init__(name="watcher", daemon=True)
        self._address, self._application = address, application
        self._lock = threading.Lock()
        self._watched: dict[Key, Watched] = {}
        self._ended = threading.Event()
        self.trouble = ""

    @contextmanager
    def watching(self, keys: list[Key], deliver: Deliver) -> Iterator[None]:
        """Deliver the messages of these topics within this block, from another thread, the whole of each first."""
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
        """End the thread, within a second."""
        self._ended.set()

    def run(self) -> None:
        """Connect, listen and look until `stop`; connect again whenever the server went away."""
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
                # Everybody reads this: no login, no host.
                self._say(
                    "The database does not answer; trying again. The training does not need this page."
                    if unreachable
                    else f"The database refused to be read ({type(error).__name__}): run `ganns db migrate`."
                )
                self._ended.wait(RETRY_S)

    def _turn(self, conn: Connection) -> None:
        """Wait for an event or for the time of the next look, then look at what is due."""
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
        return min(max(0.0, due - now), 0.2)  # somebody may begin to watch meanwhile

    def _hear(self, conn: Connection, wait_s: float) -> None:
        """Collect events for `wait_s` seconds at most; after the first one for `DEBOUNCE_S` more."""
        until = time.monotonic() + wait_s
        while (left := until - time.monotonic()) > 0 or wait_s == 0:
            for note in conn.notifies(timeout=max(0.0, left), stop_after=1):
                if (event := parse(note.payload)) is not None and self._note(event):
                    until = min(until, time.monotonic() + DEBOUNCE_S)
            if wait_s == 0:
                return

    def _note(self, event: Event) -> bool:
        """Remember an event for the topics that it wakes; tell whether there is one."""
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
        news = watched.topic.look(conn, events)
        ended = time.monotonic()
        rest_s = max(REST * (time.thread_time() - cpu), REST_WAITING * (ended - begun), REST_S)
        watched.looked_at, watched.not_before = ended, ended + rest_s
        with self._lock:
            greet, watched.greet = watched.greet, []
            for deliver in greet:
                deliver(watched.topic.whole())
            for deliver in watched.watchers.values():
                if news and deliver not in greet:
                    deliver(news)

    def _say(self, trouble: str) -> None:
        """Tell everybody that there is a problem, or that it is over."""
        with self._lock:
            changed, self.trouble = trouble != self.trouble, trouble
            if changed:
                for deliver in {id(d): d for one in self._watched.values() for d in one.watchers.values()}.values():
                    deliver([message("trouble", text=trouble)])
