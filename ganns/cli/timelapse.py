"""`ganns timelapse`: show a run's training as an animation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ganns.utils.console import say


def timelapse(
    source: Annotated[str, typer.Argument(help="A run's number, latest, or a folder with grids of samples.")],
    out: Annotated[Path, typer.Argument(help="What to write: a .gif, or a .mp4 (extra video).")],
) -> None:
    """Show the samples that a run saved while it learned, one grid after the other."""
    from ganns.db.choose import coordinator_database
    from ganns.db.connect import connect
    from ganns.db.migrate import require_current
    from ganns.export.timelapse import FPS, HOLD_S, frames, grids_of_folder, grids_of_run
    from ganns.pictures.animation import animate, check_animation
    from ganns.store.runs import find_run

    check_animation(out)
    if Path(source).is_dir():
        grids = grids_of_folder(Path(source))
    else:
        with coordinator_database() as address, connect(address) as conn:
            require_current(conn)
            grids = grids_of_run(conn, find_run(conn, source))
    count = animate(frames(grids, gif=out.suffix.lower() == ".gif"), out, fps=FPS, hold_s=HOLD_S)
    say(f"{count} grids, version {grids[0][0]} to {grids[-1][0]}: {out}")
