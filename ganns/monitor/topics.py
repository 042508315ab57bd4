"""The topics that a page or a terminal can watch. Each topic sends messages: JSON objects with a `type`.

A new watcher gets the full state first, and changes afterwards. A message is made once for all watchers, and is not
sent again while it stays the same.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from ganns.db.connect import Connection
from ganns.db.queries import execute
from ganns.monitor.events import Event
from ganns.monitor.health import RunHealth
from ganns.monitor.history import History
from ganns.monitor.marks import marks
from ganns.monitor.people import Credit, leaderboard, look_at_workers
from ganns.monitor.rows import clean, numbers, plain
from ganns.monitor.snapshot import latest_run, look_at_run
from ganns.monitor.wording import run_wording

MAX_EVENTS = 40
"""The most events in one message. A page would not draw more."""


class Topic(ABC):
    """A topic that can be watched. One thread uses it."""

    period_s = 2.0
    """Read the database this often even without an event: an event can be lost, and a heartbeat sends none."""

    @abstractmethod
    def wakes(self, event: Event) -> bool:
        """Return whether an event is a reason to read the database again."""

    @abstractmethod
    def look(self, conn: Connection, events: Sequence[Event]) -> list[str]:
        """Read the database and return the new messages; `events` are the events that woke this topic, oldest first."""

    @abstractmethod
    def whole(self) -> list[str]:
        """Return the full state for a new watcher; call `look` before."""


class RunTopic(Topic):
    """One run: "run" as it is now, "history", "evaluations", "marks", and "events" as they happen."""

    def __init__(self, run_id: int) -> None:
        """Watch this run."""
        self._run_id = run_id
        self._history = History(run_id)
        self._health = RunHealth(run_id)
        self._run = self._evaluations = self._marks = ""

    def wakes(self, event: Event) -> bool:
        """Wake on every event of this run, and when a worker joins."""
        return event.get("run") == self._run_id or event["event"] == "joined"

    def look(self, conn: Connection, events: Sequence[Event]) -> list[str]:
        """Return the events, the run if anything changed, and the new rounds."""
        now = look_at_run(conn, self._run_id)
        if now is None:
            self._run = message("gone", run=self._run_id)
            return [self._run]
        news = [message("events", run=self._run_id, events=some)] if (some := events[-MAX_EVENTS:]) else []
        whole = now["version"] < self._history.next_round  # the run went back, or a backup was restored
        if whole:
            self._history.forget()
            self._health.forget()
        if num := self._history.look(conn):
            news.append(self._history_message(None if whole else num))
            self._health.add(self._history.last(num))
        rows = self._list_evaluations(conn)
        evaluations = message("evaluations", run=self._run_id, rows=rows)
        found = self._find_marks(conn, now["went_back_at_version"])
        run = message("run", **now, health=self._health.look(conn, now, rows))
        if evaluations != self._evaluations:
            news.append(evaluations)
        if found != self._marks:
            news.append(found)
        if run != self._run:
            news.append(run)
        self._run, self._evaluations, self._marks = run, evaluations, found
        return news

    def whole(self) -> list[str]:
        """Return the full state. Past events are not replayed."""
        return [self._history_message(None), *filter(None, (self._evaluations, self._marks, self._run))]

    def _history_message(self, num_new: int | None) -> str:
        return message("history", run=self._run_id, whole=num_new is None, columns=self._history.columns(num_new))

    def _list_evaluations(self, conn: Connection) -> list[dict[str, Any]]:
        return [
            {"version": row["version"], **numbers(row["metrics"])}
            for row in execute(conn, "list_evaluations", run_id=self._run_id)
        ]

    def _find_marks(self, conn: Connection, went_back: int | None) -> str:
        events = execute(conn, "watch_marks", run_id=self._run_id).fetchall()
        found = marks(events, self._history.rows, self._health.begun, went_back)
        return message("marks", run=self._run_id, rows=found)


class PeopleTopic(Topic):
    """The people of a run, their contributions, and the connected workers: "people"."""

    period_s = 3.0

    def __init__(self, run_id: int) -> None:
        """Watch the people of this run."""
        self._run_id, self._people = run_id, ""
        self._credit = Credit(run_id)

    def wakes(self, event: Event) -> bool:
        """Wake when a worker joins or a round closes: only a closed round gives new credit."""
        return event["event"] == "joined" or (event["event"] == "closed" and event.get("run") == self._run_id)

    def look(self, conn: Connection, events: Sequence[Event]) -> list[str]:
        """Return the leaderboard if it changed."""
        row = execute(conn, "get_run", run_id=self._run_id).fetchone()
        if row is not None:  # without a run there is no credit, but workers can be connected
            self._credit.look(conn, row["version"])
        found = leaderboard(look_at_workers(conn), self._credit)
        people = message("people", run=self._run_id, latest=latest_run(conn), people=found)
        if people == self._people:
            return []
        self._people = people
        return [people]

    def whole(self) -> list[str]:
        """Return the leaderboard."""
        return [self._people] if self._people else []


class RunsTopic(Topic):
    """Every run, newest first: "runs"."""

    period_s = 3.0

    def __init__(self) -> None:
        """Watch the list."""
        self._runs = ""

    def wakes(self, event: Event) -> bool:
        """Wake when a run begins, changes, or ends, and when an instructor controls it."""
        return event["event"] in ("created", "changed", "controlled", "closed")

    def look(self, conn: Connection, events: Sequence[Event]) -> list[str]:
        """Return the list if it changed."""
        runs = message("runs", runs=[plain(row) | {"wording": run_wording(row)} for row in execute(conn, "watch_runs")])
        if runs == self._runs:
            return []
        self._runs = runs
        return [runs]

    def whole(self) -> list[str]:
        """Return the list."""
        return [self._runs]


def message(type_: str, /, **content: Any) -> str:
    """Return a message as the JSON text that is sent; its content is cleaned (`ganns.monitor.rows`)."""
    return json.dumps(clean({"type": type_, **content}), separators=(",", ":"), allow_nan=False)
