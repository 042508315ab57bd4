"""`ganns sample`: draw images with what a run has learned."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def sample(
    run: Annotated[str, typer.Argument(help="A run's number (see `ganns runs`), or latest.")] = "latest",
    out: Annotated[Path, typer.Option(help="Where to save the grid (PNG).")] = Path("samples.png"),
    count: Annotated[int, typer.Option(min=1, max=1024, help="How many images.")] = 64,
    raw: Annotated[bool, typer.Option("--raw", help="The generator itself instead of its average.")] = False,
) -> None:
    """Draw a grid of images from a run's newest checkpoint and save it."""
    from ganns.config import from_dict
    from ganns.db.choose import coordinator_database
    from ganns.db.connect import connect
    from ganns.db.migrate import require_current
    from ganns.errors import RunError
    from ganns.pictures import grid, save
    from ganns.sampling import sample_noise
    from ganns.state import TrainingState
    from ganns.store import runs, weights

    with coordinator_database() as address, connect(address) as conn:
        require_current(conn)
        row = runs.find_run(conn, run)
        found = weights.latest_checkpoint(conn, row.id)
    if found is None:
        raise RunError(
            f"Run {row.id} has no checkpoint yet: one is stored every db.checkpoint_s seconds and at the end. "
            "Try again in a minute."
        )
    version, digest, data = found
    state = TrainingState.from_bytes(from_dict(row.config), data, digest)
    images = state.draw(sample_noise(state.config, count), averaged=not raw)
    save(grid(images), out)
    typer.echo(f"{count} images from run {row.id}, version {version}: {out}")
