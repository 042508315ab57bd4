"""Run a search from its overrides to the command that trains with the best settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ganns.db.address import join_line
from ganns.db.choose import coordinator_database
from ganns.launch.search import Search, read_space
from ganns.launch.sweep import Point, PointResult, Sweep
from ganns.launch.sweep_together import watcher
from ganns.observers.progress import make_bar
from ganns.utils.console import wide_console
from ganns.utils.printable import printable
from ganns.utils.signals import stop_on_signals


def search(overrides: Sequence[str], num_points: int, at_once: int, seed: int) -> None:
    """Train `num_points` points, `at_once` at a time, and say which settings are the best.

    Raises:
        ConfigError: an override cannot be used.
        MissingExtra: without Optuna.
    """
    found = Search(read_space(overrides), seed, at_once)
    console = wide_console()
    bar = make_bar(console)

    def say(line: str) -> None:
        console.print(line, markup=False, highlight=False)

    with coordinator_database() as address, stop_on_signals() as stop, bar:
        say(f"workers join with  {join_line(address)}")
        say(f"{num_points} points, {at_once} at a time; the dashboard shows them as the sweep {found.key}")
        watch = watcher(console, bar, address)
        _prepare(found, say)
        for begin in range(0, num_points, at_once):
            points: list[Point] = found.ask(min(at_once, num_points - begin))
            for point in points:
                say(f"[{point.number}] {found.words(point.number)}")
            results = Sweep(points, address, watch, stop, found.key).run(at_once)
            if stop.is_set():
                say("stopped; the same command goes on with what is open, and trains no finished point again")
                break
            found.tell(results)
            for one in results:
                say(_words(found, one))
    best = found.best
    if best is None:
        say("no point has a distance")
    else:
        say(f"the best of {len(found.results)}: [{best.point.number}], run {best.run_id}, distance {best.distance:.4g}")
        say(f"train with it:  ganns train {found.fixed} {found.words(best.point.number)}")


def _prepare(found: Search, say: Callable[[str], None]) -> None:
    """Make the feature network before the first points: they might end before it is there, without a distance."""
    from ganns.evaluation.features import attribute_network

    config = found.example
    if config.evaluate.features == "attributes":
        say("preparing the feature network; it learns faces for some seconds, once on each machine")
        attribute_network(config.model.image_size)


def _words(found: Search, one: PointResult) -> str:
    what = f"distance {one.distance:.4g}" if one.distance is not None else printable(one.reason or "no distance", 300)
    return f"[{one.point.number}] {one.state}: {what}  {found.words(one.point.number)}"
