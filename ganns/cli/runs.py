"""`ganns runs`: list the runs; `ganns runs delete`: delete one. `control.py` has the commands for open runs."""

from __future__ import annotations

from typing import Annotated

import typer

from ganns.cli import control
from ganns.utils.console import say

app = typer.Typer(help="List the runs; steer or delete some.", invoke_without_command=True)
app.command()(control.pause)
app.command()(control.resume)
app.command()(control.stop)
app.command()(control.quorum)


@app.callback()
def runs(context: typer.Context) -> None:
    """List the runs: state, version, images, and the last losses. With a command behind it: steer or delete some."""
    if context.invoked_subcommand is not None:
        return
    from rich.table import Table

    from ganns.db.choose import coordinator_database
    from ganns.db.connect import connect
    from ganns.db.migrate import require_current
    from ganns.store.control import shown_state
    from ganns.store.runs import list_runs
    from ganns.utils.console import cells, wide_console

    with coordinator_database() as address, connect(address) as conn:
        require_current(conn)
        rows = list_runs(conn)
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


@app.command()
def delete(
    runs: Annotated[list[str], typer.Argument(help="The runs' numbers, or latest.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete runs with all that belongs to them: weights, results, checkpoints, credit, and the state on this disk."""
    import shutil

    from ganns import paths
    from ganns.db.choose import coordinator_database
    from ganns.db.connect import connect
    from ganns.db.migrate import require_current
    from ganns.store import runs as table
    from ganns.store import weights
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
    for key in keys:
        shutil.rmtree(paths.home() / "state" / key, ignore_errors=True)
    say(f"deleted run {', '.join(map(str, found))}")
