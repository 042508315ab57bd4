"""Show a run's progress: one live line on a terminal, plain lines in a pipe."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from ganns.config import StopConfig
from ganns.coordinator.observer import RoundReport
from ganns.training.plan import ends, share_done
from ganns.training.state import TrainingState
from ganns.utils.console import SafeConsole, plural
from ganns.utils.printable import printable

LOSSES = (("D", "d_loss"), ("G", "g_loss"))  # a round in which the run went back has none
LINE_EVERY_S = 5.0
"""In a pipe, a line is printed after each such time."""


def make_bar(console: Console) -> Progress:
    """Return a live display with a line for each run; it shows nothing in a pipe."""
    return Progress(
        TextColumn("[bold]{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[detail]}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )


class TerminalProgress:
    """An `Observer` that shows round, images/s, losses, workers alive and the time left."""

    def __init__(self, stop: StopConfig, console: Console | None = None) -> None:
        """Show progress towards `stop`."""
        self._console = console or SafeConsole(soft_wrap=True)
        self._stop = stop
        self._rate = 0.0
        self._last: tuple[float, int] | None = None
        self._printed_at = 0.0
        self._prefix, self._shared = "", False
        self._bar = make_bar(self._console)
        self._task = self._bar.add_task("starting", total=1.0, detail="", left="")

    def share(self, bar: Progress, prefix: str) -> None:
        """Use one line of a display of several runs, and begin each message with `prefix`. Call it first."""
        self._prefix, self._shared, self._bar = prefix, True, bar
        self._task = bar.add_task(escape(f"{prefix}starting"), total=1.0, detail="", left="")

    def __enter__(self) -> Self:
        """Start the live line."""
        if not self._shared:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Remove the live line."""
        if self._shared:
            self._bar.remove_task(self._task)
        else:
            self._bar.stop()

    def started(self, run_id: int, state: TrainingState) -> None:
        """Print the run's number and version."""
        self._stop = state.config.stop  # a resumed run has the end that it began with, not the one of the command line
        self._last = (time.monotonic(), state.progress.images)
        self.say(f"run {run_id} is open at version {state.progress.version}" if run_id else "training alone")

    def evaluated(self, version: int, metrics: dict[str, float]) -> None:
        """Do nothing: the coordinator prints a message for each evaluation."""

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        self._console.print(self._prefix + printable(text, lines=True), markup=False, highlight=False)

    def round_closed(self, report: RoundReport, state: TrainingState) -> None:
        """Move the bar, or print a line now and then."""
        now = time.monotonic()
        if self._last is not None:
            speed = (report.images - self._last[1]) / max(now - self._last[0], 1e-9)
            self._rate = speed if self._rate == 0 else 0.9 * self._rate + 0.1 * speed
        self._last = (now, report.images)
        done = share_done(ends(self._stop, report.version, report.images, report.seconds, report.num_images))
        left = _duration(report.seconds * (1 / done - 1)) + " left" if done else ""
        losses = " ".join(f"{name} {report.metrics[key]:.2f}" for name, key in LOSSES if key in report.metrics)
        alive = "" if report.num_alive is None else f"  {plural(report.num_alive, 'worker')}"
        detail = f"{self._rate:.0f} images/s{losses and f'  loss {losses}'}{alive}"
        title = escape(f"{self._prefix}round {report.version}")
        self._bar.update(self._task, completed=done, description=title, detail=detail, left=left)
        if not self._console.is_terminal and now - self._printed_at >= LINE_EVERY_S:
            self._printed_at = now
            self.say(f"round {report.version}  {detail}  {left}")


def _duration(seconds: float) -> str:
    """Return "1:02:03" or "2:03"."""
    minutes, rest = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
