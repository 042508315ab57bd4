"""`ganns compare`: show the effect of a setting."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ganns.cli.places import user_path
from ganns.utils.console import Json, say_json

if TYPE_CHECKING:
    from ganns.comparison.table import Record


def compare(
    runs: Annotated[list[str] | None, typer.Argument(help="The runs' numbers (see `ganns runs`).")] = None,
    sweep: Annotated[str, typer.Option(help="All points of a sweep: its key, which it printed at its end.")] = "",
    out: Annotated[Path, typer.Option(help="The folder for the plots.", parser=user_path)] = Path("outputs/compare"),
    as_json: Json = False,
) -> None:
    """Compare runs: a table, curves with the spread over seeds, samples side by side, and the best settings."""
    from ganns.comparison.table import groups, in_order, load, show, verdict
    from ganns.db.choose import coordinator_connection
    from ganns.errors import ConfigError
    from ganns.store import sweeps, weights
    from ganns.store.runs import find_run
    from ganns.utils.console import SafeConsole, wide_console

    if not runs and not sweep:
        raise ConfigError("There is nothing to compare: name runs, as in `ganns compare 3 4`, or a sweep with --sweep.")
    with coordinator_connection() as conn:
        numbers = [find_run(conn, one).id for one in runs or []] + (sweeps.list_sweep(conn, sweep) if sweep else [])
        records = in_order([load(conn, number) for number in dict.fromkeys(numbers)])
        states = {one.run.id: weights.latest_checkpoint(conn, one.run.id) for one in records}
    console = wide_console()
    if as_json:
        console = SafeConsole(stderr=True)  # what is said on the way is not part of the JSON
        distances, _ = _draw_and_measure(records, states, console)
        say_json([_plain(one, distances.get(one.run.id)) for one in records])
        return
    distances, pictures = _draw_and_measure(records, states, console)
    show(console, records, distances=distances)
    for line in verdict(groups(records), distances):
        console.print(line, markup=False, highlight=False)
    for path in _draw(records, pictures, out):
        console.print(str(path), markup=False, highlight=False)


def _plain(record: Record, distance: float | None) -> dict[str, Any]:
    """Return a run as programs get it: its settings by dotted key, its last metrics, and its distances."""
    last, best = (record.metrics[-1]["metrics"] if record.metrics else {}), record.best()
    return {
        "run": record.run.id,
        "name": record.run.name,
        "state": record.run.state,
        "version": record.run.version,
        "images": record.run.images,
        "seconds": record.seconds,
        "settings": record.settings,
        "metrics": last,
        "swd": distance,
        "best": None if best is None else {"version": best["version"], "metrics": dict(best["metrics"])},
    }


def _draw_and_measure(
    records: list[Record], states: dict[int, tuple[int, str, bytes] | None], console: Any
) -> tuple[dict[int, float], dict[int, Any]]:
    """Return the distance and the grid of each run that has a checkpoint, and images to compare with."""
    from ganns.comparison.distances import Distances, shown_images, state_of
    from ganns.errors import DataError
    from ganns.pictures.grid import grid

    meter, distances, pictures = Distances(), {}, {}
    for record in records:
        number, found = record.run.id, states[record.run.id]
        if found is None:
            console.print(f"run {number} has no checkpoint yet, so nothing is drawn with it", markup=False)
            continue
        state = state_of(record.run.config, found)
        pictures[number] = grid(shown_images(state), columns=4)
        try:
            if (distance := meter.measure(state)) is not None:
                distances[number] = distance
        except DataError as error:
            console.print(f"no distance for run {number}: {error}", markup=False)
    return distances, pictures


def _draw(records: list[Record], pictures: dict[int, Any], out: Path) -> list[Path]:
    """Save the curves, and the samples side by side; return the files."""
    from ganns.comparison.table import groups
    from ganns.config_diff import differing, label, short
    from ganns.pictures.grid import save, timeline
    from ganns.pictures.plots import plot_comparison

    paths = []
    trained = [one for one in records if one.metrics]
    if trained:
        curves = [(group.label, [_history(one) for one in group.records]) for group in groups(trained)]
        paths.append(plot_comparison(curves, out / "curves.png"))
    if pictures:
        keys = differing([one.settings for one in records])
        entries = [
            (f"run {one.run.id}  {label(one.settings, keys, short(keys))}", pictures[one.run.id])
            for one in records
            if one.run.id in pictures
        ]
        paths.append(save(timeline(entries, columns=4), out / "samples.png"))
    return paths


def _history(record: Record) -> list[dict[str, float]]:
    """Return one mapping a round, with a version's evaluation too, where it has one."""
    found = {one["version"]: one["metrics"] for one in record.evaluations}
    return [{"images": row["images"], **row["metrics"], **found.get(row["round"] + 1, {})} for row in record.metrics]
