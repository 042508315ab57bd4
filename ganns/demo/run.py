"""`ganns demo`: everything at once on one machine, in about three minutes.

It starts an embedded PostgreSQL and two normal workers, trains `experiment=demo`, and shows the results.
It has no special code: a class does the same on many machines.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, wait
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from PIL import Image
from rich.console import Console
from rich.table import Table

from ganns.config import Config
from ganns.coordinator import train_run
from ganns.coordinator.evaluation_thread import best_evaluation
from ganns.coordinator.evaluator import describe
from ganns.data import ImageSet, images_of
from ganns.data.processes import in_background
from ganns.db.address import Address
from ganns.db.connect import connect
from ganns.db.migrate import migrate
from ganns.db.server.embedded import EmbeddedServer
from ganns.demo.dashboard import open_dashboard
from ganns.evaluation.metrics import sample_distance
from ganns.observers.samples import SampleGrids
from ganns.observers.watch import Watch
from ganns.pictures.grid import save, timeline
from ganns.store.results import worker_totals
from ganns.store.runs import list_metrics
from ganns.training.state import TrainingState
from ganns.utils.atomic import write_text
from ganns.utils.console import SafeConsole, cells
from ganns.worker.launch import Process, start_worker, stop_workers

NUM_WORKERS = 2
NUM_COMPARED = 500
"""The distance compares this number of generated images with as many held-out ones."""


class DemoWatch(Watch):
    """Also notes the time of the first samples."""

    def __init__(self, config: Config, folder: Path, console: Console, begun: float, address: Address) -> None:
        """Watch a run whose demo began at monotonic time `begun`."""
        super().__init__(config, folder, console, address=address)
        # Version 0 depends only on the seed: do not wait.
        path = self.grids.save(TrainingState(config))
        self.first_grid_s = time.monotonic() - begun
        self.say(f"samples of version 0, before any learning, after {self.first_grid_s:.1f} s: {path}")


def run_demo(config: Config, outputs: Path, stop: threading.Event, *, dashboard: bool = True) -> dict[str, Any]:
    """Run the demo and return its summary, which is also in `<outputs>/<time>/summary.json`.

    Args:
        config: a checked configuration.
        outputs: the demo makes its folder in this one.
        stop: set it (Ctrl-C does) to end the demo at the next step, with a summary of the results until then.
        dashboard: whether to serve a dashboard meanwhile.

    Raises:
        KeyboardInterrupt: if it was stopped before there was anything to show.
    """
    console, begun = SafeConsole(soft_wrap=True), time.monotonic()
    folder = outputs / datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    folder.mkdir(parents=True)
    console.print(f"GANNs with friends: the demo. Everything it makes goes to {folder}", markup=False)
    with ExitStack() as stack:
        # Drawing the faces needs no database, and workers take seconds to load torch: all start at once.
        drawing = stack.enter_context(in_background(images_of, config))
        address = stack.enter_context(_database(stop))
        processes: list[Process] = []
        stack.callback(stop_workers, processes)  # before the first one starts: a second Ctrl-C may come at any moment
        threads = max(1, (os.cpu_count() or 1) // NUM_WORKERS)
        for name in (f"worker-{number + 1}" for number in range(NUM_WORKERS)):
            _go_on(stop)
            processes.append(start_worker(address, name, threads, folder / f"{name}.log"))
        console.print(f"PostgreSQL and {NUM_WORKERS} workers are starting; faces are being drawn", markup=False)
        _go_on(stop)
        watch = DemoWatch(config, folder, console, begun, address)
        if dashboard:  # only now: the first samples do not wait for it
            _go_on(stop)
            stack.enter_context(open_dashboard(address, folder / "dashboard.log", watch.say))
        real = _result(drawing, stop)
        with watch:
            run_id, _ = train_run(config, address, watch, stop)
        with connect(address) as conn:
            history, credit = list_metrics(conn, run_id), worker_totals(conn, run_id)
            best = best_evaluation(conn, run_id)
    if not history or watch.state is None:
        raise KeyboardInterrupt  # stopped before there was anything to show
    watch.last_grid()
    start, end = (distance(state, real) for state in (TrainingState(config), watch.state))
    summary = summarise(history, credit, start, end, best, watch.first_grid_s)
    write_text(folder / "summary.json", json.dumps(summary, indent=2) + "\n")
    _draw(folder, watch.grids, history)
    _show(console, folder, summary, credit)
    return summary


def _go_on(stop: threading.Event) -> None:
    if stop.is_set():
        raise KeyboardInterrupt


def _result(job: Future[ImageSet], stop: threading.Event) -> ImageSet:
    while not wait({job}, timeout=0.1).done:
        _go_on(stop)
    return job.result()


@contextmanager
def _database(stop: threading.Event) -> Iterator[Address]:
    """Start a separate PostgreSQL for the demo, and remove it completely after."""
    folder = Path(tempfile.mkdtemp(prefix="ganns-demo-"))
    try:
        _go_on(stop)
        with EmbeddedServer(folder / "pg") as server, connect(server.address) as conn:
            _go_on(stop)
            migrate(conn)
            yield server.address
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def distance(state: TrainingState, real: ImageSet) -> float:
    """Return the sliced Wasserstein distance between the generator's images and held-out real ones."""
    num = min(NUM_COMPARED, real.num_holdout)
    seed_parts, labels = (state.config.seed, "judge"), real.holdout_labels(num)
    return sample_distance(state, real.holdout(num), seed_parts, averaged=False, labels=labels)


def summarise(
    history: list[dict[str, Any]],
    credit: list[dict[str, Any]],
    start: float,
    end: float,
    best: tuple[int, dict[str, float]] | None,
    first_grid_s: float,
) -> dict[str, Any]:
    """Return the content of `summary.json`: times in seconds, distances times 1000 as in the paper."""
    seconds, images = history[-1]["seconds"], history[-1]["images"]
    return {
        "seconds": round(seconds, 2),
        "first_grid_s": round(first_grid_s, 2),
        "rounds": len(history),
        "images": images,
        "images_per_s": round(images / seconds, 1),
        "workers": [{key: row[key] for key in ("name", "units", "images", "late")} for row in credit],
        "swd_start": round(start, 2),
        "swd_end": round(end, 2),
        "best_version": best and best[0],
        "best_metrics": best and {name: round(value, 3) for name, value in best[1].items()},
    }


def _draw(folder: Path, grids: SampleGrids, history: list[dict[str, Any]], num_shown: int = 6) -> None:
    """Save the grids over time in one picture, and the losses."""
    from ganns.pictures.plots import plot_losses  # matplotlib loads slowly, and is only needed here

    chosen = sorted({round(k * (len(grids.saved) - 1) / (num_shown - 1)) for k in range(num_shown)})
    entries = [(f"version {grids.saved[k][0]}", Image.open(grids.saved[k][1])) for k in chosen]
    save(timeline(entries, columns=3), folder / "timeline.png")
    plot_losses([{"round": row["round"], **row["metrics"]} for row in history], folder / "losses.png")


def _words_of_best(summary: dict[str, Any]) -> str:
    if summary["best_version"] is None:
        return ""
    return f" The best of the evaluated versions is {summary['best_version']}: {describe(summary['best_metrics'])}."


def _show(console: Console, folder: Path, summary: dict[str, Any], credit: list[dict[str, Any]]) -> None:
    table = Table("worker", "units", "images", "late", title="the work of each worker")
    for row in credit:
        table.add_row(*cells(row["name"], row["units"], f"{int(row['images']):,}", row["late"]))
    console.print(table)
    console.print(
        f"{summary['rounds']} rounds, {summary['images']:,} images, {summary['images_per_s']} images/s. "
        f"Distance to real faces (sliced Wasserstein, lower is better): {summary['swd_start']} at the start, "
        f"{summary['swd_end']} at the end.{_words_of_best(summary)}\n\n"
        f"Look at   {folder / 'timeline.png'}   the samples over time\n"
        f"          {folder / 'losses.png'}   the losses\n\n"
        "Next:     source .venv/bin/activate                        after `make demo`, once in each terminal\n"
        "          ganns train experiment=demo stop.minutes=10      train longer; it prints how workers join\n"
        "          ganns dashboard --failure-lab                    watch it, and break things meanwhile\n"
        "          ganns train --help                               the settings' groups, with examples\n"
        "          ganns db serve --host 0.0.0.0                    let a friend's machine join",
        markup=False,
        highlight=False,
    )
