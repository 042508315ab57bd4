"""Train a whole sweep, from its composed points to the table at its end."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.console import Console
from rich.progress import Progress

from ganns.comparison.table import load, show
from ganns.config_diff import labels
from ganns.db.address import Address, join_line
from ganns.db.choose import coordinator_database
from ganns.db.connect import connect
from ganns.errors import RunError
from ganns.launch.sweep import Point, PointResult, Sweep
from ganns.observers.progress import make_bar
from ganns.observers.watch import Watch
from ganns.utils.console import wide_console
from ganns.utils.signals import stop_on_signals


def train_points(points: Sequence[Point], num_at_once: int) -> list[PointResult]:
    """Train the points of a sweep, `num_at_once` at a time, until all are finished or Ctrl-C; then show their results.

    Returns:
        The result of each point, in order. If a point fails, the others are still trained: see `failure`.
    """
    console = wide_console()
    bar, names = make_bar(console), labels([point.config for point in points])
    with coordinator_database() as address, stop_on_signals() as stop, bar:
        for line in (
            f"the database is {address} ({address.source})",
            f"workers join with  {join_line(address)}",
            f"{len(points)} points, {min(num_at_once, len(points))} at a time (hydra.launcher.n_jobs):",
            *(f"[{point.number}] {name}" for point, name in zip(points, names, strict=True)),
        ):
            console.print(line, markup=False, highlight=False)
        sweep = Sweep(points, address, watcher(console, bar, address), stop)
        outcomes = sweep.run(num_at_once)
        bar.stop()
        _show_outcomes(console, address, sweep, outcomes)
    return outcomes


def watcher(console: Console, bar: Progress, address: Address) -> Callable[[Point], Watch]:
    """Return a function that makes the observer of a point: all share a display, and lines begin with the number."""

    def watch(point: Point) -> Watch:
        made = Watch(point.config, point.folder, console, address=address)
        made.share(bar, f"[{point.number}] ")
        return made

    return watch


def failure(one: PointResult, outcomes: Sequence[PointResult]) -> RunError:
    """Return the error of a failed point: its own reason, and how many of all failed.

    Hydra's own sweeper shows the first that failed; an optimising sweeper may look at each.
    """
    num = sum(other.state == "failed" for other in outcomes)
    return RunError(f"{num} of {len(outcomes)} points failed; [{one.point.number}]: {one.reason}")


def _show_outcomes(console: Console, address: Address, sweep: Sweep, outcomes: Sequence[PointResult]) -> None:
    """Print the points with their differing settings and results, and the next command."""

    def say(line: str) -> None:
        console.print(line, markup=False, highlight=False)

    with connect(address) as conn:
        records = {one.run_id: load(conn, one.run_id) for one in outcomes if one.run_id is not None}
    show(
        console,
        [records[one.run_id] for one in outcomes if one.run_id is not None],
        {one.run_id: one.state for one in outcomes if one.run_id is not None},
    )
    for one in outcomes:
        if one.reason or one.run_id is None:
            say(f"[{one.point.number}] {one.state}{f': {one.reason}' if one.reason else ''}")
    if any(one.state in ("stopped", "not begun") for one in outcomes):
        say("the same command continues the open points; finished points are not trained again")
    if len(records) > 1:
        say(f"compare with `ganns compare --sweep {sweep.key}`")
