"""`ganns sample` and `ganns timelapse`: images of a trained generator, and of a run while it learned."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from ganns.cli.places import user_path
from ganns.utils.console import say

if TYPE_CHECKING:
    from torch import nn

    from ganns.config import ModelConfig


def sample(
    run: Annotated[str, typer.Argument(help="A run's number (see `ganns runs`), or latest.")] = "latest",
    out: Annotated[Path, typer.Option(help="The file for the grid (PNG).", parser=user_path)] = Path("samples.png"),
    count: Annotated[
        int | None, typer.Option(min=1, max=1024, help="The number of images; default: 64, or 16 for a walk.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="The noise's seed; default: the run's own, as in its samples.")
    ] = None,
    walk: Annotated[
        Path | None,
        typer.Option(help="Save a walk between images, a looping .gif or .mp4, instead of a grid.", parser=user_path),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option("--from", help="A folder that `ganns export` made, or a hub's model, OWNER/NAME (extra hub)."),
    ] = None,
    best: Annotated[bool, typer.Option("--best", help="Use the best evaluated version instead of the newest.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="Use the last weights instead of their average.")] = False,
    chosen: Annotated[
        str | None, typer.Option("--set", help="Of a conditional model: attributes, glasses=1,smile=0; others are 0.")
    ] = None,
    slide: Annotated[
        str | None,
        typer.Option(help="Of a conditional model: change this attribute from 0 to 1, in each row, or in the walk."),
    ] = None,
) -> None:
    """Draw images from a run's newest checkpoint, or from an exported model, and save them as a grid or a walk."""
    from ganns.errors import ConfigError
    from ganns.export.drawing import attributes_of, labels_for, slide_frames, slide_rows
    from ganns.pictures import latent_walk as walking
    from ganns.pictures.animation import animate, check_animation
    from ganns.pictures.grid import grid, save
    from ganns.training.networks import sample as draw
    from ganns.training.seeds import GRID_COLUMNS, noise

    if source is not None and (run != "latest" or raw or best):
        raise ConfigError("--from draws with an exported model: leave out the run, --best and --raw.")
    if walk is not None:
        check_animation(walk)
    drawer = _from_run(run, averaged=not raw, best=best) if source is None else _from_model(source)
    values, slid = attributes_of(drawer.model, chosen, slide, drawer.words)
    start = drawer.seed if seed is None else seed
    default = 64 if walk is None and slide is None else 8 if walk is None else 16
    latent = noise(start, count or default, drawer.model.latent_dim)
    labels = labels_for(drawer.model, len(latent), values)
    if walk is None and slid is not None:
        save(grid(slide_rows(drawer.generator, latent, labels, slid), GRID_COLUMNS), out)
        say(f"{slide} from 0 to 1, {len(latent)} rows, from {drawer.words}: {out}")
        return
    if walk is None:
        save(grid(draw(drawer.generator, latent, labels)), out)
        say(f"{len(latent)} images from {drawer.words}: {out}")
        return
    columns = max(1, round(len(latent) ** 0.5))
    if slid is not None:
        pictures = slide_frames(drawer.generator, latent, labels, slid)
        frames = animate((grid(one, columns) for one in pictures), walk, fps=walking.STEPS)
        say(f"{slide} from 0 to 1 and back, in {frames} frames from {drawer.words}: {walk}")
        return
    places = walking.walk(walking.walk_points(start, latent))
    frames = animate((grid(draw(drawer.generator, z, labels), columns) for z in places), walk, fps=walking.STEPS)
    say(f"a walk of {len(latent)} images in {frames} frames from {drawer.words}: {walk}")


def timelapse(
    source: Annotated[str, typer.Argument(help="A run's number, latest, or a folder with grids of samples.")],
    out: Annotated[Path, typer.Argument(help="The file to write: a .gif, or a .mp4 (extra video).", parser=user_path)],
) -> None:
    """Show the samples that a run saved while it learned, one grid after the other, as an animation."""
    from ganns.db.choose import coordinator_connection
    from ganns.export.timelapse import FPS, HOLD_S, frames, grids_of_folder, grids_of_run
    from ganns.pictures.animation import animate, check_animation
    from ganns.store.runs import find_run

    check_animation(out)
    if (folder := user_path(source)).is_dir():
        grids = grids_of_folder(folder)
    else:
        with coordinator_connection() as conn:
            grids = grids_of_run(conn, find_run(conn, source))
    count = animate(frames(grids, gif=out.suffix.lower() == ".gif"), out, fps=FPS, hold_s=HOLD_S)
    say(f"{count} grids, version {grids[0][0]} to {grids[-1][0]}: {out}")


class _Source(NamedTuple):
    """A generator, its settings, the seed of its noise, and its origin in words."""

    generator: nn.Module
    model: ModelConfig
    seed: int
    words: str


def _from_run(run: str, *, averaged: bool, best: bool) -> _Source:
    from ganns.db.choose import coordinator_connection
    from ganns.export.trained_run import read_state
    from ganns.store import runs

    with coordinator_connection() as conn:
        row = runs.find_run(conn, run)
        state = read_state(conn, row, best=best)
    words = f"run {row.id}, version {state.progress.version}"
    return _Source(state.generator(averaged=averaged), state.config.model, state.config.seed, words)


def _from_model(source: str) -> _Source:
    """Return the generator in a folder; where there is no such folder, that of a hub's repository."""
    from ganns.export.hub import fetch, is_name
    from ganns.export.model import describe, load

    folder = user_path(source)
    if is_name(source) and not folder.exists():
        folder = fetch(source)
    generator, info = load(folder), describe(folder)
    return _Source(generator, info.model, info.seed, source)
