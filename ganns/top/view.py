"""The newest message of each type. Nothing here reads the database."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ganns.monitor.rows import clean
from ganns.top.words import event_in_words

NUM_ROUNDS = 400
"""The most rounds of the history that are kept: more is wider than a terminal."""
NUM_EVENTS = 100


@dataclass
class View:
    """The content of one terminal. `chosen` is the run that the user named; None follows the training."""

    chosen: int | None = None
    runs: list[dict[str, Any]] | None = None  # None: the database was not read yet
    run: dict[str, Any] | None = None
    gone: bool = False  # there is no such run
    people: list[dict[str, Any]] | None = None
    history: dict[str, list[float | None]] = field(default_factory=dict)
    evaluations: list[dict[str, Any]] = field(default_factory=list)
    events: deque[str] = field(default_factory=lambda: deque(maxlen=NUM_EVENTS))
    trouble: str = ""
    _shown: int | None = None
    _incident: int = 0  # the last one that is shown
    _ill: frozenset[str] = frozenset()  # the kinds of findings about the run's health that last

    @property
    def number(self) -> int | None:
        """The run to watch: the chosen one, else the newest that is trained, else the one that is shown.

        At the start, where none is shown, the newest open one, else the newest; None without runs.
        """
        if self.chosen is not None or not self.runs:
            return self.chosen
        is_open = [one for one in self.runs if one["state"] == "open"]
        trained = [one for one in is_open if one.get("coordinated")]
        shown = [one for one in self.runs if one["run"] == self._shown]
        return int([*trained, *shown, *is_open, *self.runs][0]["run"])

    @property
    def complete(self) -> bool:
        """Whether all messages for the screen have arrived."""
        told = self.gone or (self.run is not None and self.people is not None)
        return self.runs is not None and (told or self.number is None)

    def choose(self, step: int) -> None:
        """Go to the next newer run (1) or the next older one (-1); after the newest, follow the training."""
        numbers = sorted(one["run"] for one in self.runs or [])
        at = self.number
        if at is None:
            return
        further = [one for one in numbers if (one > at if step > 0 else one < at)]
        if further:
            self.chosen = further[0] if step > 0 else further[-1]
        elif step > 0:
            self.chosen = None

    def turn_to(self, number: int | None) -> None:
        """Drop the present run's messages, to watch another run."""
        if number != self._shown:
            self._shown, self.run, self.gone, self.people = number, None, False, None
            self.history, self.evaluations = {}, []
            self.events.clear()
            self._incident, self._ill = 0, frozenset()

    def take(self, text: str, at: str | None = None) -> None:
        """Process a message; `at` is the time of day to write before its events, now if None."""
        message = clean(json.loads(text))  # a terminal would obey control characters in a student's name
        kind = message["type"]
        if kind == "runs":
            self.runs = message["runs"]
        elif kind == "trouble":
            self.trouble = message["text"]
        elif message.get("run") != self._shown:
            return  # it is about the run that was shown before
        elif kind == "run":
            self.run, self.gone = message, False
            self._take_incidents(message.get("incidents", ()))
            self._take_health(message.get("health", ()))
        elif kind == "gone":
            self.run, self.gone = None, True
        elif kind == "people":
            self.people = message["people"]
        elif kind == "history":
            self.history = joined({} if message["whole"] else self.history, message["columns"])
        elif kind == "evaluations":
            self.evaluations = message["rows"]
        elif kind == "events":
            at = time.strftime("%H:%M:%S") if at is None else at
            said = (event_in_words(event, self._name_of(event), self._shown) for event in message["events"])
            self.events.extend(f"{at}  {one}" for one in said if one)

    def _take_incidents(self, incidents: Sequence[Mapping[str, Any]]) -> None:
        """Show what was done about sessions and workers among the events; each once, with the time when it was done."""
        for one in reversed(incidents):
            if one["number"] > self._incident:
                self._incident = one["number"]
                self.events.append(f"{time.strftime('%H:%M:%S', time.localtime(one['at']))}  {one['text']}")

    def _take_health(self, entries: Sequence[Mapping[str, str]]) -> None:
        """Show a finding about the run's health when it begins; a finding has a remedy, and a mere wait has none."""
        found = {one["kind"]: one for one in entries if one["remedy"]}
        for kind, one in found.items():
            if kind not in self._ill:
                self.events.append(f"{time.strftime('%H:%M:%S')}  {one['text']} {one['remedy']}")
        self._ill = frozenset(found)

    def _name_of(self, event: dict[str, Any]) -> str:
        """Return the name of an event's worker: by the worker's number, else by the worker that has the unit."""
        for person in self.people or []:
            if "worker" in event and person.get("worker") == event["worker"]:
                return str(person["name"])
        for one in (self.run or {}).get("rounds", []):
            for unit in one["units"]:
                if (one["round"], unit["unit"]) == (event.get("round"), event.get("unit")):
                    return str(unit["worker"])
        return ""


def joined(
    old: dict[str, list[float | None]], new: dict[str, list[float | None]], last: int = NUM_ROUNDS
) -> dict[str, list[float | None]]:
    """Append the columns of new rounds, with None where a column has no values; keep the last rounds."""
    before, more = len(old.get("round", [])), len(new.get("round", []))
    return {
        key: [*old.get(key, [None] * before), *new.get(key, [None] * more)][-last:]
        for key in dict.fromkeys((*old, *new))
    }
