"""`ganns replay` and `ganns verify`: compute a part of a run again, changed or not, and compare."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ganns.cli.places import user_path
from ganns.utils.console import Json, say, say_json

if TYPE_CHECKING:
    from ganns.comparison.each_worker import PersonsInfluence
    from ganns.comparison.replay import Begin, Replay
    from ganns.data import ImageSet
    from ganns.db.address import Address
    from ganns.store.kept_versions import KeptVersions


def replay(
    at: Annotated[str, typer.Argument(metavar="RUN@ROUND", help="The run, or latest, and the round: 3@120.")],
    changes: Annotated[
        list[str] | None, typer.Argument(help="What is changed: without=NAME, aggregate=median, optimizer.lr_g=1e-4.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="The number of rounds to replay.")] = 10,
    drop: Annotated[
        bool, typer.Option("--drop", help="Leave out the units of without=NAME, instead of computing them here.")
    ] = False,
    each: Annotated[
        bool, typer.Option("--each", help="Show each worker's influence: the distance to a replay without its units.")
    ] = False,
    out: Annotated[Path, typer.Option(help="The folder for the figures.", parser=user_path)] = Path("outputs/replay"),
    workers: Annotated[
        bool, typer.Option("--workers", help="Let the connected workers compute the units, instead of this process.")
    ] = False,
    show: Annotated[bool, typer.Option("--show", help="Show both futures on the dashboard, too.")] = False,
    as_json: Json = False,
) -> None:
    """Replay a run from a round on with something changed, and show both futures."""
    _wait_quietly()
    from ganns.comparison.change import parse
    from ganns.comparison.each_worker import measure_each
    from ganns.comparison.replay import begin_here, compare_futures
    from ganns.errors import ConfigError

    which, mark, number = at.partition("@")
    if not mark or not number.isdecimal():
        raise ConfigError(f"{at} is not RUN@ROUND: type a run and a round, as in `ganns replay 3@120 without=ada`.")
    change, version = parse(changes or [], drop=drop), int(number)
    if each and changes:
        raise ConfigError(f"--each leaves out one worker after the other, and takes no {changes[0]}.")
    if each and workers:
        raise ConfigError("--each computes in this process: leave out --workers.")
    tell = partial(say, err=True)
    with _opened(which, version, version + rounds) as (kept, images, address):
        if each:
            _show_each(measure_each(kept, images, version, rounds, tell), as_json=as_json)
            return
        out.mkdir(parents=True, exist_ok=True)  # a place that cannot be used is said now, not after minutes
        with _workers(kept, address, str(change)) if workers else nullcontext(begin_here) as begin:
            found = compare_futures(kept, images, version, rounds, change, tell, begin)
        files = _draw(found, out)
        if show:
            _put_on_dashboard(kept, found, files)
    if as_json:
        say_json(_plain(kept.run.id, found) | {"files": [str(path) for path in files]})
        return
    _show(kept.run.id, found)
    for path in files:
        say(path)


def verify(
    which: Annotated[
        str, typer.Argument(metavar="RUN/ROUND/UNIT", help="The unit: 3/120/0 is unit 0 of round 120 of run 3.")
    ],
    as_json: Json = False,
) -> None:
    """Compute an accepted unit again, and compare it with the ledger: whose is it, and was the result right?"""
    _wait_quietly()
    from dataclasses import asdict

    from ganns.comparison.verify import verify as compare
    from ganns.errors import ConfigError

    run, *numbers = which.split("/")
    if len(numbers) != 2 or not all(one.isdecimal() for one in numbers):
        raise ConfigError(f"{which} is not RUN/ROUND/UNIT: type three numbers, as in `ganns verify 3/120/0`.")
    round_, unit = map(int, numbers)
    with _opened(run, round_, round_ + 1) as (kept, images, _):
        found = compare(kept, images, round_, unit, partial(say, err=True))
    if as_json:
        say_json({"run": kept.run.id, "round": round_, "unit": unit} | asdict(found))
    else:
        whose = f"unit {unit} of round {round_} of run {kept.run.id} ({found.images} images) is by {found.author}"
        if found.same:
            said = "the result is right: computed again, it is equal bit for bit"
        elif found.alike:
            said = "the result is WRONG: a machine of the same kind computes another one, "
            said += f"about {found.distance:.2g} away"
        else:
            said = f"computed again on another kind of machine, the result is about {found.distance:.2g} away; "
            said += f"right results of this unit differ by up to {found.expected:.2g}: "
            said += "it is right, as far as can be told" if found.agreed else "it is WRONG"
        say(f"{whose}\n{said}")
    if not found.agreed:
        raise typer.Exit(1)


def _wait_quietly() -> None:
    """Let PyTorch's threads sleep while they wait for each other; OpenMP reads this when torch is imported.

    By default they spin, and on a machine that also trains, they take its time from each other: one unit took 36 s
    instead of 8, on two cores with a load of eight. Sums do not depend on it.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@contextmanager
def _opened(which: str, first: int, end: int) -> Iterator[tuple[KeptVersions, ImageSet, Address]]:
    """Yield a run's kept versions, its images, and the database.

    This process computes with as many threads as the workers of some rounds did.
    """
    import torch

    from ganns.config import from_dict
    from ganns.data import images_of
    from ganns.db.choose import coordinator_database
    from ganns.db.connect import connect
    from ganns.db.migrate import require_current
    from ganns.store import replay as record
    from ganns.store.kept_versions import KeptVersions
    from ganns.store.runs import find_run

    with coordinator_database() as address, connect(address, application="ganns replay") as conn:
        require_current(conn)
        run = find_run(conn, which)
        config = from_dict(run.config)
        images = images_of(config)
        images.check(run.fingerprint)
        threads = {one.get("threads") for one in record.list_machines(conn, run.id, first, end)}
        if len(threads) == 1 and isinstance(num := threads.pop(), int) and 1 <= num <= 1024:
            torch.set_num_threads(num)  # sums depend on it: see docs/explain/exactness.md
        yield KeptVersions.of(conn, run, config), images, address


@contextmanager
def _workers(kept: KeptVersions, address: Address, change: str) -> Iterator[Begin]:
    """Yield what begins a future that the connected workers compute."""
    from ganns.db.address import join_line
    from ganns.launch.replay_workers import Workers

    tell = partial(say, err=True)
    tell(f"workers join with  {join_line(address)}")
    with Workers(address, kept.conn, kept.run, change, tell) as workers:
        yield workers.begin


# ---------------------------------------------------------------------------------------------------- two futures


def _plain(run_id: int, found: Replay) -> dict[str, Any]:
    """Return a replay as programs get it."""
    of, units = found.num_units
    return {
        "run": run_id,
        "round": found.version,
        "change": str(found.change),
        "units_left_out": of,
        "units": units,
        "equal_until": found.equal_until,
        "ended": found.ended,
        "versions": found.rows,
    }


def _show(run_id: int, found: Replay) -> None:
    from rich.table import Table

    from ganns.utils.console import cells, wide_console

    say(f"run {run_id} from round {found.version} on: {found.change}")
    table = Table("version", title="as it was | changed", title_justify="left")
    names = {"images": "images", "d_loss": "loss D", "g_loss": "loss G", "swd": "swd"}
    for name in names.values():
        table.add_column(name, justify="right")
    for name in ("distance", "of the way"):
        table.add_column(name, justify="right")
    for row in found.some_rows():
        pairs = [f"{_figure(row['as_it_was'].get(key))} | {_figure(row['changed'].get(key))}" for key in names]
        apart = "equal" if row["equal"] else _figure(row.get("distance"))
        table.add_row(*cells(row["version"], *pairs, apart, "-" if row["equal"] else _figure(row.get("of_the_way"))))
    wide_console().print(table)
    for line in found.sentences():
        say(line)


def _show_each(found: list[PersonsInfluence], *, as_json: bool) -> None:
    from dataclasses import asdict

    from rich.table import Table

    from ganns.utils.console import cells, wide_console

    if as_json:
        say_json([asdict(one) for one in found])
        return
    table = Table("without", "units", "images", "distance", "of the way")
    for one in found:
        table.add_row(*cells(one.person, one.units, one.images, f"{one.distance:.2g}", f"{one.of_the_way:.0%}"))
    wide_console().print(table)


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:.3g}"


def _known(metrics: dict[str, Any]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if value is not None}


def _draw(found: Replay, out: Path) -> list[Path]:
    """Save the curves and the faces of both futures; return the files."""
    from ganns.comparison.distances import shown_images
    from ganns.pictures.grid import grid, save, timeline
    from ganns.pictures.plots import plot_comparison

    changed = str(found.change)
    curves = [
        (label, [[_known(row[key]) for row in found.rows if "d_loss" in row[key]]])
        for label, key in (("as it was", "as_it_was"), (changed, "changed"))
    ]
    files = [plot_comparison(curves, out / "curves.png")] if any(seeds[0] for _, seeds in curves) else []
    version = found.rows[-1]["version"]
    entries = [
        (f"{label}, version {version}", grid(shown_images(state), columns=4))
        for label, state in (("as it was", found.was), (changed, found.changed))
        if state is not None
    ]
    return [*files, save(timeline(entries), out / "faces.png")]


def _put_on_dashboard(kept: KeptVersions, found: Replay, files: list[Path]) -> None:
    from ganns.store.shown_replays import put_replay
    from ganns.utils.console import for_json

    pictures = {path.stem: path.read_bytes() for path in files}
    put_replay(
        kept.conn,
        kept.run.id,
        found.version,
        str(found.change),
        found.sentences(),
        for_json(found.some_rows()),
        pictures.get("curves"),
        pictures.get("faces"),
    )
    say(f"the dashboard shows it at /run/{kept.run.id}/replays", err=True)
