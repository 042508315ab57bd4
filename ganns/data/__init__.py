"""Images: where they come from (`sources`, `packed`), how they are kept decoded (`cache`).

`open_images` is all that the rest of the program uses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganns.data.images import ImageSet

if TYPE_CHECKING:
    from pathlib import Path

    from ganns.config import DataConfig

__all__ = ["ImageSet", "open_images"]


def open_images(data: DataConfig, image_size: int, cache_root: Path | None = None) -> ImageSet:
    """Return the images that `data` names, decoded at `image_size` pixels; what is missing is made first.

    Raises:
        DataError: if they cannot be found or read, saying what to do.
    """
    from ganns import resources
    from ganns.data.cache import decoded
    from ganns.data.packed import open_pack
    from ganns.data.sources import SOURCES

    root = cache_root or resources.home() / "data"
    if data.name == "packed":
        return ImageSet(*open_pack(data, image_size, root))
    source = SOURCES[data.name](data)
    pixels = decoded(source, image_size, root)
    return ImageSet(pixels, source)
