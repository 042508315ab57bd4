"""`ganns evaluate`: measure the distance of a run's images from real ones."""

from __future__ import annotations

from typing import Annotated

import typer

from ganns.utils.console import SafeConsole, cells, say


def evaluate(
    run: Annotated[str, typer.Argument(help="A run's number (see `ganns runs`), or latest.")] = "latest",
    here: Annotated[bool, typer.Option("--here", help="Compute in this process, without workers.")] = False,
    best: Annotated[bool, typer.Option("--best", help="Use the best version, not the newest checkpoint.")] = False,
) -> None:
    """Compare a run's newest checkpoint with held-out images: FID, KID, swd, precision and recall."""
    from rich.table import Table

    from ganns.config import from_dict
    from ganns.coordinator.evaluator import Evaluator
    from ganns.db.choose import coordinator_connection
    from ganns.errors import RunError
    from ganns.store import runs, weights
    from ganns.training.serialization import unpack
    from ganns.utils.signals import stop_on_signals

    with coordinator_connection("ganns evaluate") as conn:
        row = runs.find_run(conn, run)
        found = (weights.best_checkpoint if best else weights.latest_checkpoint)(conn, row.id)
        if found is None:
            missing, when = (
                ("best version", "versions are evaluated every evaluate.every rounds")
                if best
                else ("checkpoint", "one is stored every db.checkpoint_s seconds and at the end")
            )
            raise RunError(f"Run {row.id} has no {missing} yet: {when}. Try again later.")
        version, digest, data = found
        config = from_dict(row.config)
        evaluator, state = Evaluator(conn, row.id, config, say), unpack(data, digest)
        say(f"run {row.id}, version {version}: {config.evaluate.images} images, {config.evaluate.features}")
        if here:
            metrics = evaluator.here(version, state)
        else:
            say("the workers draw and compare; without workers, use --here. Ctrl-C cancels.")
            with stop_on_signals() as stop:
                found_metrics = evaluator.over_workers(version, state, stop.is_set)
            if found_metrics is None:
                raise KeyboardInterrupt
            metrics = found_metrics
    table = Table("metric", "value")
    for name, value in metrics.items():
        table.add_row(*cells(name, f"{value:.4g}"))
    SafeConsole().print(table)
