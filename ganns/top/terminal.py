"""The loop that updates a terminal, and its keys."""

from __future__ import annotations

import os
import queue
import select
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from rich.console import Console
from rich.live import Live

from ganns.db.address import Address
from ganns.monitor.watcher import Key, Watcher
from ganns.top.screen import screen, snapshot
from ganns.top.view import View

try:
    import termios
    import tty
except ImportError:  # Windows: Ctrl-C ends the program
    termios = tty = None  # type: ignore[assignment]

TURN_S = 0.25
"""The longest time until a key is answered and news is drawn."""
REST = 25
"""After drawing, pause for this many times the CPU time that it took: the machine may be training."""
END = b"\x04"
LEAVE = (b"q", b"Q", END)
SNAPSHOT_TIMEOUT_S = 30.0
"""The longest time that `--once` waits for the database."""
STEPS = {b"n": 1, b"\x1b[C": 1, b"\x1bOC": 1, b"p": -1, b"\x1b[D": -1, b"\x1bOD": -1}
"""The keys n and p, and the right and left arrows as terminals send them."""


class Follower:
    """Updates a `View`: the list of runs, and the run that is shown."""

    def __init__(self, watcher: Watcher, view: View) -> None:
        """Follow the messages of `watcher`."""
        self._watcher, self._view = watcher, view
        self._news: queue.SimpleQueue[list[str]] = queue.SimpleQueue()

    def turns(self, pause: Callable[[], bool]) -> Iterator[bool]:
        """Process new messages, and yield whether there were any, until `pause` returns False."""
        view = self._view
        with self._watcher.watching([("runs", 0)], self._news.put):
            going_on = True
            while going_on:
                shown = view.number
                view.turn_to(shown)
                keys: list[Key] = [] if shown is None else [("run", shown), ("people", shown)]
                with self._watcher.watching(keys, self._news.put):
                    while going_on and view.number == shown:
                        yield self._take()
                        going_on = pause()

    def _take(self) -> bool:
        new = False
        with suppress(queue.Empty):
            while True:
                for text in self._news.get_nowait():
                    self._view.take(text)
                    new = True
        return new


def show(address: Address, run: int | None, console: Console, stop: threading.Event, *, once: bool) -> None:
    """Show runs until `stop` is set or the user quits; with `once`, print their present state.

    Args:
        address: the database.
        run: the run; None for the one that is being trained.
        console: the console to draw on.
        stop: the event that Ctrl-C sets.
        once: print one snapshot.
    """
    watcher, view = Watcher(address, "ganns top"), View(run)
    watcher.start()
    try:
        (_print_once if once else _keep_showing)(Follower(watcher, view), view, console, stop)
    finally:
        watcher.stop()


def _print_once(follower: Follower, view: View, console: Console, stop: threading.Event) -> None:
    until = time.monotonic() + SNAPSHOT_TIMEOUT_S
    for _ in follower.turns(lambda: not stop.wait(0.05)):
        if view.complete or time.monotonic() > until:
            break
    if not stop.is_set():
        console.print(snapshot(view, console.width))


def _keep_showing(follower: Follower, view: View, console: Console, stop: threading.Event) -> None:
    with keys() as pressed, Live(console=console, screen=True, auto_refresh=False) as live:

        def pause() -> bool:
            key = pressed(TURN_S, stop)
            if key in STEPS:
                view.choose(STEPS[key])
            return key not in LEAVE and not stop.is_set()

        due, not_before, size = True, 0.0, console.size
        for new in follower.turns(pause):
            due = due or new or console.size != size
            if due and time.monotonic() >= not_before:
                due, size, cpu = False, console.size, time.thread_time()
                live.update(screen(view, size.width, size.height), refresh=True)
                not_before = time.monotonic() + REST * (time.thread_time() - cpu)


@contextmanager
def keys() -> Iterator[Callable[[float, threading.Event], bytes]]:
    """Switch the terminal to single keys, and yield a function that waits for one: it returns b"" after a timeout.

    Without a terminal, that function only waits.
    """
    if termios is None or not sys.stdin.isatty():

        def no_key(wait_s: float, stop: threading.Event) -> bytes:
            stop.wait(wait_s)
            return b""

        yield no_key
        return
    number = sys.stdin.fileno()
    before = termios.tcgetattr(number)

    def pressed(wait_s: float, stop: threading.Event) -> bytes:
        ready, _, _ = select.select([number], [], [], wait_s)
        with suppress(OSError):
            return (os.read(number, 8) or END) if ready else b""
        return END  # the terminal is gone

    try:
        tty.setcbreak(number)
        yield pressed
    finally:
        with suppress(termios.error):  # the terminal is gone
            termios.tcsetattr(number, termios.TCSADRAIN, before)
