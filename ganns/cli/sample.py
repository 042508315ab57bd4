"""`ganns sample`: draw images with a trained generator."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from ganns.utils.console import say

if TYPE_CHECKING:
    from ganns.training.dcgan import Generator


def sample(
    run: Annotated[str, typer.Argument(help="A run's number (see `ganns runs`), or latest.")] = "latest",
    out: Annotated[Path, typer.Option(help="Where to save the grid (PNG).")] = Path("samples.png"),
    count: Annotated[
        int | None, typer.Option(min=1, max=1024, help="How many images; 64, or 16 for a walk, unless given.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Which noise; the run's own, as in its samples, unless given.")
    ] = None,
    walk: Annotated[
        Path | None, typer.Option(help="Save a walk between images instead of a grid: a .gif or .mp4 that loops.")
    ] = None,
    source: Annotated[
        Path | None, typer.Option("--from", help="A folder that `ganns export` made, instead of a run.")
    ] = None,
    best: Annotated[bool, typer.Option("--best", help="The best evaluated version instead of the newest.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="The generator itself instead of its average.")] = False,
) -> None:
    """Draw images from a run's newest checkpoint, or from an exported model, and save them as a grid or a walk."""
    from ganns.errors import ConfigError
    from ganns.pictures import latent_walk as walking
    from ganns.pictures.animation import animate, check_animation
    from ganns.pictures.grid import grid, save
    from ganns.training.dcgan import sample as draw
    from ganns.training.seeds import noise

    if source is not None and (run != "latest" or raw or best):
        raise ConfigError("--from draws with the model in a folder: leave out the run, --best and --raw.")
    if walk is not None:
        check_animation(walk)
    drawer = _from_run(run, averaged=not raw, best=best) if source is None else _from_folder(source)
    chosen = drawer.seed if seed is None else seed
    latent = noise(chosen, count or (64 if walk is None else 16), drawer.latent_dim)
    if walk is None:
        save(grid(draw(drawer.generator, latent)), out)
        say(f"{len(latent)} images from {drawer.words}: {out}")
        return
    columns = max(1, round(len(latent) ** 0.5))
    places = walking.walk(walking.walk_points(chosen, latent))
    frames = animate((grid(draw(drawer.generator, z), columns) for z in places), walk, fps=walking.STEPS)
    say(f"a walk of {len(latent)} images in {frames} frames from {drawer.words}: {walk}")


class _Source(NamedTuple):
    """A generator, what its noise needs, and words for where it comes from."""

    generator: Generator
    latent_dim: int
    seed: int
    words: str


def _from_run(run: str, *, averaged: bool, best: bool) -> _Source:
    from ganns.db.choose import coordinator_database
    from ganns.db.connect import connect
    from ganns.db.migrate import require_current
    from ganns.export.trained_run import read_state
    from ganns.store import runs

    with coordinator_database() as address, connect(address) as conn:
        require_current(conn)
        row = runs.find_run(conn, run)
        state = read_state(conn, row, best=best)
    words = f"run {row.id}, version {state.progress.version}"
    return _Source(state.generator(averaged=averaged), state.config.model.latent_dim, state.config.seed, words)


def _from_folder(folder: Path) -> _Source:
    from ganns.export.model import describe, load

    generator, info = load(folder), describe(folder)
    return _Source(generator, info.model.latent_dim, info.seed, str(folder))
