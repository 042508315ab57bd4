"""`ganns runs`: what runs there are."""

from __future__ import annotations


def runs() -> None:
    """List the runs: state, version, images, and the last losses."""
    from rich.console import Console
    from rich.table import Table

    from ganns.db.choose import coordinator_database
    from ganns.db.connect import connect
    from ganns.db.migrate import require_current
    from ganns.store.runs import list_runs

    with coordinator_database() as address, connect(address) as conn:
        require_current(conn)
        rows = list_runs(conn)
    console = Console()
    if not rows:
        console.print("No run yet. Start one with `ganns train experiment=demo`.", markup=False)
        return
    table = Table("run", "name", "state", "version", "images", "loss D", "loss G", "coordinator", "created")
    for row in rows:
        metrics = row["metrics"] or {}
        resumable = row["state"] == "open" and not row["coordinated"]
        table.add_row(
            str(row["id"]),
            row["name"],
            f"{row['state']} (resumable)" if resumable else row["state"],
            str(row["version"]),
            f"{row['images']:,}",
            *(f"{metrics[key]:.3f}" if key in metrics else "-" for key in ("d_loss", "g_loss")),
            row["lease_holder"] or "-",
            f"{row['created_at']:%Y-%m-%d %H:%M}",
        )
    console.print(table)
