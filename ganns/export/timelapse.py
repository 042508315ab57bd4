"""A timelapse: the grids that a run saved during training, in order, each with its version."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image

from ganns.db.connect import Connection
from ganns.errors import ExportError, RunError
from ganns.pictures.grid import timeline
from ganns.store.runs import Run
from ganns.store.samples import get_sample, list_samples

FPS, HOLD_S = 8.0, 2.0
GIF_FRAMES = 60
"""Frames of a GIF at most: it has no compression over time worth the name."""

Grids = Sequence[tuple[int, Path | bytes]]  # version, picture


def grids_of_folder(folder: Path) -> Grids:
    """Return the grids `version-*.png` in a folder, or in its `samples/`, in order.

    Raises:
        ExportError: if there are none.
    """
    for place in (folder, folder / "samples"):
        found = [(int(match[1]), path) for path in place.glob("version-*.png") if (match := _numbered(path))]
        if found:
            return sorted(found)
    raise ExportError(f"There are no grids version-<number>.png in {folder}: name a run's folder below outputs/.")


def grids_of_run(conn: Connection, run: Run) -> Grids:
    """Return the grids of a run in the database, in order.

    Raises:
        RunError: if there are none.
    """
    found = [(one.version, get_sample(conn, run.id, one.version)) for one in list_samples(conn, run.id)]
    grids = [(version, picture) for version, picture in found if picture is not None]
    if not grids:
        raise RunError(f"Run {run.id} has no samples in the database: sample_every was 0, or it has just begun.")
    return grids


def frames(grids: Grids, *, gif: bool) -> Iterator[Image.Image]:
    """Yield the frames of a timelapse, all of the first one's size; a GIF gets a selection."""
    if gif and len(grids) > GIF_FRAMES:
        last = len(grids) - 1
        grids = [grids[round(k * last / (GIF_FRAMES - 1))] for k in range(GIF_FRAMES)]
    width = len(str(grids[-1][0]))
    size: tuple[int, int] | None = None
    for version, picture in grids:
        grid = _open(picture, version)
        size = size or grid.size
        if grid.size != size:
            grid = grid.resize(size, Image.Resampling.LANCZOS)
        yield timeline([(f"version {version:>{width}}", grid)])


def _numbered(path: Path) -> re.Match[str] | None:
    return re.fullmatch(r"version-(\d+)\.png", path.name)


def _open(picture: Path | bytes, version: int) -> Image.Image:
    try:
        with Image.open(io.BytesIO(picture) if isinstance(picture, bytes) else picture) as found:
            return found.convert("RGB")
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ExportError(f"The grid of version {version} cannot be read ({error}): {_name(picture)}") from error


def _name(picture: Path | bytes) -> str:
    return str(picture) if isinstance(picture, Path) else f"{len(picture):,} bytes from the database"
