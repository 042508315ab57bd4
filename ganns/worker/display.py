"""The display of `ganns worker`: one live line for each worker on a terminal, plain lines in a pipe."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

RATE_S = 60.0
PLAIN_EVERY_S = 30.0
REPEAT_S = 60.0


class WorkerLine:
    """The state of one worker, and its line on the display."""

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        """Start with an empty state."""
        self.name, self._clock = name, clock
        self.device = ""
        self.state = "starting"
        self._doing: dict[object, None] = {}  # jobs; those before the last one only wait for their uploads
        self._last = self._preparing = ""
        self._credit: dict[str, Any] = {}
        self._done: deque[tuple[float, int]] = deque()
        self._hold = self._link = ""
        self._idle = "waiting for a unit"

    def take(self, event: dict[str, Any]) -> str | None:
        """Update the state from an event; return a text if the event deserves a line of its own."""
        kind = event.get("event")
        if kind == "registered":
            self._doing.clear()  # what an ended process did
            self.device = f"{event.get('device')}, {event.get('threads')} thread(s)"
            if event.get("runs") is False:  # a worker of another app
                self._idle = "waiting for a task"
            return f"joined as worker {event.get('worker')} on {self.device}, {event.get('host')}"
        if kind == "waiting":
            self.state = f"waiting: {event.get('reason')}"
            return self.state
        if kind == "heartbeat":
            if self.state.startswith(("waiting", "starting")):
                self._be_idle()
        elif kind == "view":
            self._credit = event
            self._hold = str(event.get("hold") or "")
            before = self.state
            self._be_idle()
            if self.state != before and not self._doing:
                return self.state
        elif kind == "preparing":
            begins, self._preparing = not self._preparing, str(event.get("text"))
            self._be_idle()
            return self._preparing if begins and self._preparing else None
        elif kind == "started":
            self._doing[event.get("job")] = None
            self.state = "working"
        elif kind == "finished":
            self._doing.pop(event.get("job"), None)
            self._be_idle()
        elif kind == "unit":
            self._last = f"round {event.get('round')}, unit {event.get('unit')}"
            self._done.append((self._clock(), int(event.get("images") or 0)))
            self._link = _link(event)
        elif kind in ("status", "log"):
            return str(event.get("text"))
        return None

    def _be_idle(self) -> None:
        if self._hold:
            self.state = f"waiting: {self._hold}"
        elif self._preparing and not self._doing:
            self.state = self._preparing
        elif self._credit and not self._credit.get("num_open"):
            self.state = "waiting: no run is open; it starts when your instructor types `ganns train`"
        else:
            self.state = "working" if self._doing else self._idle

    def images_per_s(self) -> float:
        """Return the images per second of the last minute's units."""
        now = self._clock()
        while self._done and now - self._done[0][0] > RATE_S:
            self._done.popleft()
        if len(self._done) < 2:
            return 0.0
        # Count from the end of the first unit: its own images were computed before.
        return sum(images for _, images in list(self._done)[1:]) / max(now - self._done[0][0], 0.001)

    def __str__(self) -> str:
        """Return the line: name, state, images/s, contribution, device. A narrow terminal cuts off its end."""
        *sent, computed = [f"job {job}" for job in self._doing] or [""]
        doing = f": {computed}, and {', '.join(sent)} is sent" if sent else f": {computed}"
        parts = [self.name, f"{self.state}{doing}" if self.state == "working" else self.state]
        rate = self.images_per_s()
        if rate:
            parts.append(f"{rate:.1f} images/s")
        if self._credit:
            late = f", {self._credit['late']:,} late" if self._credit.get("late") else ""
            parts.append(f"contributed {self._credit['units']:,} units, {self._credit['images']:,} images{late}")
        parts += [self._link, f"last: {self._last}" if rate else "", self.device]
        return " · ".join(part for part in parts if part)


def _link(event: dict[str, Any]) -> str:
    """Return the speed of the worker's link, its speed of computing, and the share of the time that it computes."""
    found = [f"{event[f'{way}_mbit']:.3g} Mbit/s {way}" for way in ("up", "down") if f"{way}_mbit" in event]
    compute_s, waited_s = event.get("compute_s") or 0.0, event.get("waited_s") or 0.0
    if not found or not compute_s:
        return ""
    speed = f" at {event['images_per_s']:.3g} images/s" if "images_per_s" in event else ""
    return f"{', '.join(found)}, computed{speed} for {compute_s / (compute_s + waited_s):.0%} of the time"


class Display:
    """The lines of all workers that this command started."""

    def __init__(self, names: list[str], console: Console) -> None:
        """Show `names` on `console`."""
        self._console = console
        self._lines = {name: WorkerLine(name) for name in names}
        self._said: dict[str, tuple[str, float]] = {}
        self._plain_at = time.monotonic() + PLAIN_EVERY_S
        self._live = Live(console=console, get_renderable=self._render, refresh_per_second=2, transient=True)

    def __enter__(self) -> Display:
        """Start the live display, on a terminal."""
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Print the last lines."""
        if self._console.is_terminal:
            self._live.stop()
        for line in self._lines.values():
            self._console.print(Text(str(line)))

    def say(self, name: str, text: str) -> None:
        """Print a line about a worker, but not the same line twice in a minute."""
        said, at = self._said.get(name, ("", 0.0))
        if text != said or time.monotonic() - at > REPEAT_S:
            self._said[name] = text, time.monotonic()
            self._console.print(Text(f"{name}: {text}"))

    def on_event(self, name: str, event: dict[str, object]) -> None:
        """Update a worker's line from its event, and print what deserves a line of its own."""
        if (text := self._lines[name].take(event)) is not None and (
            not self._console.is_terminal or event.get("event") != "waiting"
        ):
            self.say(name, text)
        if not self._console.is_terminal and time.monotonic() > self._plain_at:
            self._plain_at = time.monotonic() + PLAIN_EVERY_S
            for line in self._lines.values():
                self._console.print(Text(str(line)))

    def _render(self) -> Text:
        return Text("\n".join(str(line) for line in self._lines.values()), overflow="ellipsis", no_wrap=True)
