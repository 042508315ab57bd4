"""`ganns search`: find good settings."""

from __future__ import annotations

from typing import Annotated

import typer


def search(
    overrides: Annotated[
        list[str] | None, typer.Argument(help="Settings as for `ganns train`; those with several values are searched.")
    ] = None,
    points: Annotated[int, typer.Option(min=1, max=10_000, help="The number of runs to train.")] = 16,
    at_once: Annotated[int, typer.Option(min=1, max=100, help="Runs that train at the same time.")] = 4,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Another seed proposes other settings.")] = 0,
) -> None:
    """Let Optuna find the settings with the smallest distance from real images (extra search).

    'optimizer.lr_g=tag(log,interval(1e-4,1e-2))' searches an interval, key=a,b,c these values. The same command again
    goes on where it stopped, and with more --points it goes further.
    """
    from ganns.launch import search_together

    search_together.search(overrides or [], points, at_once, seed)
