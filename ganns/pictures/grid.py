"""Pictures of generated images: a grid of samples, and grids over time side by side.

    from ganns.pictures.grid import grid, save, timeline
    save(timeline([("round 0", grid(before, columns=4)), ("round 90", grid(after, columns=4))]), "faces.png")

Draw all grids of a timeline from the *same* latents: then every face keeps its place, and you can see
how it changes.

Each file is written under another name and then renamed: a browser or slide that reads it during a run
shows the old picture or the new one, never half of one.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

from ganns.errors import DataError, ExportError
from ganns.utils.atomic import replacing

if TYPE_CHECKING:
    import torch

PAPER, INK = (255, 255, 255), (45, 45, 45)
READABLE = 96  # pixels: without a `scale`, smaller images are enlarged to about this side


def grid(images: torch.Tensor, columns: int = 8, gap: int = 2, scale: int | None = None) -> Image.Image:
    """Lay images out row by row on white paper.

    Args:
        images: float [N, 3, H, W] in [-1, 1], N >= 1; values outside are clipped, NaN is drawn grey.
        columns: images in a row (fewer if there are fewer images).
        gap: pixels between the images, and around them.
        scale: enlarge each image by this whole factor; None enlarges to about 96 pixels (3 for 32x32,
            1 for 64x64).

    Raises:
        DataError: for no images, or tensors of another shape.
    """
    if images.ndim != 4 or images.shape[0] < 1 or images.shape[1] != 3:
        raise DataError(f"Cannot draw a grid of {list(images.shape)}: give at least one image, as [N, 3, H, W].")
    num, _, height, width = images.shape
    scale = scale or max(1, READABLE // height)
    columns = min(columns, num)
    rows = -(-num // columns)
    step_x, step_y = width * scale + gap, height * scale + gap
    paper = Image.new("RGB", (columns * step_x + gap, rows * step_y + gap), PAPER)
    pixels = (images.detach().float().nan_to_num(0.0).clamp(-1, 1) + 1) * 127.5  # [0, 255]
    for place, one in enumerate(pixels.round().byte().cpu().permute(0, 2, 3, 1).contiguous().numpy()):
        # Enlarged one by one, so that no image runs into its neighbour. Smoothly: at 32x32 the eye sees the
        # edges of large pixels before it sees the face.
        tile = Image.fromarray(one).resize((width * scale, height * scale), Image.Resampling.BICUBIC)
        paper.paste(tile, (gap + place % columns * step_x, gap + place // columns * step_y))
    return paper


def timeline(entries: Sequence[tuple[str, Image.Image]], columns: int = 6) -> Image.Image:
    """Set grids side by side in the order given, each under its label; a new line after `columns` of them.

    Args:
        entries: (label, grid), such as ("round 40", grid(images)).
        columns: grids in a line. On a projector, six grids of four 32x32 images a line can still be read.

    Raises:
        DataError: for no entries.
    """
    if not entries:
        raise DataError("Cannot draw a timeline of no samples: draw one grid at least (see sample_every).")
    columns = min(columns, len(entries))
    width = max(picture.width for _, picture in entries)
    height = max(picture.height for _, picture in entries)
    margin = max(14, width // 14)
    caption = margin * 8 // 5  # the height of a label's line
    font = _fitting_font([label for label, _ in entries], margin, width)
    step_x, step_y = width + margin, height + caption + margin
    rows = -(-len(entries) // columns)
    strip = Image.new("RGB", (columns * step_x + margin, rows * step_y + margin // 2), PAPER)
    pen = ImageDraw.Draw(strip)
    for place, (label, picture) in enumerate(entries):
        left, top = margin + place % columns * step_x, margin // 2 + place // columns * step_y
        pen.text((left + width / 2, top + caption / 2), label, INK, font, anchor="mm")
        strip.paste(picture, (left + (width - picture.width) // 2, top + caption))
    return strip


FORMATS = {"": "PNG", ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
"""The formats by a file's ending."""


def save(image: Image.Image, path: str | os.PathLike[str]) -> Path:
    """Write a picture by atomic rename, making its folder if need be, and return its path.

    Raises:
        ExportError: if the name's ending is that of no format that we write.
        OSError: if the file cannot be written.
    """
    path = Path(path)
    form = FORMATS.get(path.suffix.lower())
    if form is None:
        raise ExportError(f"{path} has an ending that no picture has: call it {path.with_suffix('.png')}.")
    with replacing(path) as part:
        image.save(part, format=form, **({"quality": 95} if form == "JPEG" else {}))
    return path


def save_grid(
    images: torch.Tensor,
    path: str | os.PathLike[str],
    columns: int = 8,
    gap: int = 2,
    scale: int | None = None,
) -> Path:
    """Write `grid(images, columns, gap, scale)` as a PNG and return its path."""
    return save(grid(images, columns, gap, scale), path)


def _fitting_font(labels: list[str], size: int, width: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return Pillow's own font at `size`, or smaller if the longest label needs it (at least 9)."""
    font = ImageFont.load_default(size)
    while size > 9 and max(font.getlength(label) for label in labels) > width:
        size -= 1
        font = ImageFont.load_default(size)
    return font
