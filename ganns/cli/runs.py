"""`ganns runs`: list the runs, control them during training, delete them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ganns.utils.console import Json, say, say_json

if TYPE_CHECKING:
    from ganns.db.connect import Connection

WHY = {"wrong_results": "wrong results", "broke_model": "broke the model"}
"""The kinds of `ganns.exclusions`, in a word or two."""

Which = Annotated[str, typer.Argument(help="The run's number, or latest.")]

app = typer.Typer(help="List the runs; control or delete them.", invoke_without_command=True)


@app.callback()
def runs(context: typer.Context, as_json: Json = False) -> None:
    """List the runs: state, version, images, and the last losses. Its commands control or delete them."""
    if context.invoked_subcommand is not None:
        return
    from rich.table import Table

    from ganns.db.choose import coordinator_connection
    from ganns.store.control import shown_state
    from ganns.store.runs import list_runs
    from ganns.utils.console import cells, wide_console

    with coordinator_connection() as conn:
        rows = list_runs(conn)
    if as_json:
        say_json([_plain(row) for row in rows])
        return
    console = wide_console()
    if not rows:
        console.print("No run yet. Start one with `ganns train experiment=demo`.", markup=False)
        return
    changed = any(row["wanted_units"] is not None for row in rows)
    table = Table("run", "name", "state", "version", "images", "loss D", "loss G", "coordinator", "created")
    if changed:
        table.add_column("quorum")
    for row in rows:
        metrics = row["metrics"] or {}
        units = row["units"] if row["wanted_units"] is None else f"{row['wanted_units']} instead of {row['units']}"
        shown = cells(
            row["id"],
            row["name"],
            shown_state(row),
            row["version"],
            f"{row['images']:,}",
            *(f"{metrics[key]:.3f}" if key in metrics else "-" for key in ("d_loss", "g_loss")),
            (row["lease_holder"] or "-").partition(" (")[0],
            f"{row['created_at']:%Y-%m-%d %H:%M}",
            *([units] if changed else []),
        )
        table.add_row(*shown)
    console.print(table)


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Return a run as programs get it."""
    from ganns.store.control import shown_state

    metrics = row["metrics"] or {}
    return {
        "run": row["id"],
        "name": row["name"],
        "state": shown_state(row),
        "version": row["version"],
        "images": row["images"],
        "d_loss": metrics.get("d_loss"),
        "g_loss": metrics.get("g_loss"),
        "coordinator": row["lease_holder"],
        "created_at": row["created_at"].isoformat(),
        "quorum": row["wanted_units"] if row["wanted_units"] is not None else row["units"],
    }


@app.command()
def pause(run: Which) -> None:
    """Open no new round of a run until it is resumed; open rounds are still collected."""
    from ganns.store import control

    with _run(run) as (conn, run_id, me):
        coordinated = control.pause(conn, run_id, me)
    _answer(
        run_id, coordinated, f"run {run_id} pauses after its open rounds; continue with `ganns runs resume {run_id}`"
    )


@app.command()
def resume(run: Which) -> None:
    """Continue a paused run."""
    from ganns.store import control

    with _run(run) as (conn, run_id, me):
        coordinated = control.resume(conn, run_id, me)
    _answer(run_id, coordinated, f"run {run_id} continues")


@app.command()
def stop(run: Which) -> None:
    """End a run's coordinator after the open rounds, as Ctrl-C does; the run can be resumed."""
    from ganns.store import control

    with _run(run) as (conn, run_id, me):
        coordinated = control.stop(conn, run_id, me)
    _answer(
        run_id, coordinated, f"run {run_id} stops after its open rounds; continue with `ganns train resume={run_id}`"
    )


@app.command()
def quorum(
    run: Which, units: Annotated[str, typer.Argument(help="The number of results that close a round, or `default`.")]
) -> None:
    """Change the number of results that close a round, from the next new round on."""
    from ganns.errors import RunError
    from ganns.store import control

    if units != "default" and not units.isdecimal():
        raise RunError(f"A quorum of {units!r} is not a number: type `ganns runs quorum {run} 3`, or `default`.")
    with _run(run) as (conn, run_id, me):
        number = None if units == "default" else int(units)
        coordinated = control.set_quorum(conn, run_id, number, me)
    now = "waits for its configured quorum again" if number is None else f"waits for {number} results a round"
    _answer(run_id, coordinated, f"run {run_id} {now}, from the next new round on")


@app.command()
def audits(
    run: Which,
    readmit: Annotated[str | None, typer.Option("--readmit", help="Give this login units again.")] = None,
    as_json: Json = False,
) -> None:
    """Show whose results were computed again, whose were wrong, and which logins get no more units of a run."""
    from ganns.store import audits as table
    from ganns.store import exclusions

    with _run(run) as (conn, run_id, _):
        if readmit is not None:
            exclusions.readmit(conn, run_id, readmit)
            say(f"{readmit} gets units of run {run_id} again; its wrong results count no more")
            return
        rows = table.list_audits(conn, run_id)
    if as_json:
        say_json([row | {"at": row["at"] and row["at"].isoformat()} for row in rows])
    elif not rows:
        say(
            f"no result of run {run_id} was audited, and no one is left out: `audit=everyone` audits workers without a "
            "student's login, too"
        )
    else:
        _show_audits(rows)
        for row in rows:
            if row["first_bad_round"] is not None:
                who = row["name"] or row["label"] or row["login"]
                say(f"without {who}: ganns replay {run_id}@{row['first_bad_round']} without={quote(who)}")


def _show_audits(rows: list[dict[str, Any]]) -> None:
    from rich.table import Table

    from ganns.utils.console import cells, wide_console

    shown = Table(
        "login", "worker", "audits", "wrong", "bit for bit", "largest distance", "first wrong round", "left out"
    )
    for row in rows:
        first = "-" if row["first_bad_round"] is None else row["first_bad_round"]
        since = f"since {row['at']:%Y-%m-%d %H:%M}, {WHY[row['kind']]}" if row["at"] else "-"
        who = row["name"] or row["label"] or "all"
        distance = "-" if row["distance"] is None else f"{row['distance']:.2g}"
        shown.add_row(*cells(row["login"], who, row["audits"], row["failed"], row["same"], distance, first, since))
    wide_console().print(shown)


@app.command()
def delete(
    runs: Annotated[list[str], typer.Argument(help="The runs' numbers, or latest.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete runs with all that belongs to them: weights, results, checkpoints, credit, and the state on this disk.

    Weights in a store (`store=s3`) are deleted if this machine has the store's credentials.
    """
    import shutil

    from ganns import paths
    from ganns.db.choose import coordinator_database
    from ganns.db.connect import connect
    from ganns.db.migrate import require_current
    from ganns.store import runs as table
    from ganns.store import weights
    from ganns.store.object_store import delete_blobs
    from ganns.store.runs import find_run

    with coordinator_database() as address, connect(address) as conn:
        require_current(conn)
        found = {run.id: run for run in (find_run(conn, one) for one in runs)}
        if not yes:
            say(f"This deletes from {address} ({address.source}):")
            for run in found.values():
                say(f"  run {run.id} {run.name!r}: {run.state}, version {run.version}, {run.images:,} images")
            typer.confirm("Delete it?" if len(found) == 1 else "Delete them?", abort=True)
        with conn.transaction():  # delete all of them, or none
            keys = [table.delete_run(conn, run_id) for run_id in found]
        weights.vacuum(conn)
    for run in found.values():
        delete_blobs(run.config, run.key, say)
    for key in keys:
        shutil.rmtree(paths.home() / "state" / key, ignore_errors=True)
    say(f"deleted run {', '.join(map(str, found))}")


@contextmanager
def _run(which: str) -> Iterator[tuple[Connection, int, str]]:
    """Yield a connection, the number of the typed run, and the name of this user."""
    from ganns.db.choose import coordinator_connection
    from ganns.store.lease import myself
    from ganns.store.runs import find_run

    with coordinator_connection() as conn:
        yield conn, find_run(conn, which).id, myself()


def _answer(run_id: int, coordinated: bool, text: str) -> None:
    say(text)
    if not coordinated:
        say(f"it has no coordinator now: start one with `ganns train resume={run_id}`")
