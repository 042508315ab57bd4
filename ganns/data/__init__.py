"""Images: where they come from (`sources`, `packed`, plug-ins), how they are kept decoded (`cache`).

`images_of` is all that the rest of the program uses.

A data set of another package is a function `(data, image_size) -> ImageSet`: see `plugged`. `data` is a
`ganns.config.PluginData`: it has `name`, `path`, `url`, `count`, `holdout` and `seed`; the function uses what it needs.
`ganns plugin check NAME` checks these properties:

- The same settings give the same images, bit for bit, in the same order, on every machine and in every process.
- `ImageSet(pixels, origin)`: pixels are uint8 [num, 3, S, S], an array or anything that has a length and takes an array
  of indices; S is `image_size`. Training images come first. (`ImageSet` maps 0..255 to -1..1.)
- `ImageSet(pixels, origin, attributes)`: with a function that returns `ganns.data.attributes.Attributes`, conditional
  networks can learn from them.
- Different images have different fingerprints: `of_recipe(name, version, seed, ...)` makes one
  (`ganns.data.sources.fingerprint`).
- It uses no database. It may fetch and keep files: it must find files again that exist already. If it cannot get the
  images, it raises a `ganns.errors.DataError` that says what to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganns.data.image_set import ImageSet

if TYPE_CHECKING:
    from pathlib import Path

    from ganns.config import Config, DataConfig
    from ganns.data.decoded_cache import OnProgress

__all__ = ["ImageSet", "images_of", "open_images"]


def images_of(config: Config, on_progress: OnProgress = lambda done, num: None) -> ImageSet:
    """Return the images of a run, with labels if its networks are conditional; make missing ones first.

    `on_progress` is that of `open_images`.

    Raises:
        DataError: if they cannot be found or read, or do not carry the run's attributes, saying what to do.
        PluginError: if `data.name` is neither built in nor a plug-in that works.
    """
    images = open_images(config.data, config.model.image_size, on_progress=on_progress)
    return images.labelled(config.model.labels) if config.model.conditional else images


def open_images(
    data: DataConfig,
    image_size: int,
    cache_root: Path | None = None,
    on_progress: OnProgress = lambda done, num: None,
) -> ImageSet:
    """Return the images that `data` names, decoded at `image_size` pixels; make missing ones first.

    While images are drawn or decoded, `on_progress` is told (how many are ready, how many there are).

    Raises:
        DataError: if they cannot be found or read, saying what to do.
        PluginError: if `data.name` is neither built in nor a plug-in that works.
    """
    from ganns import paths
    from ganns.config import PackedData, SyntheticData
    from ganns.data.decoded_cache import decoded, draw
    from ganns.data.packed.reader import open_pack
    from ganns.data.sources.source import SOURCES

    root = cache_root or paths.home() / "data"
    if isinstance(data, PackedData):
        return ImageSet(*open_pack(data, image_size, root))
    if data.name not in SOURCES:
        return plugged(data, image_size)
    if isinstance(data, SyntheticData):
        draw(data, image_size, root, on_progress)
    source = SOURCES[data.name](data)
    pixels = decoded(source, image_size, root, on_progress)
    return ImageSet(pixels, source, source.attributes)


def plugged(data: DataConfig, image_size: int) -> ImageSet:
    """Return the images of a plug-in.

    Raises:
        PluginError: if no plug-in has that name, or it returns something else.
    """
    from ganns import plugins
    from ganns.errors import PluginError

    images = plugins.function("data", data.name)(data, image_size)
    if not isinstance(images, ImageSet):
        raise PluginError(
            f"data.name={data.name}: the plug-in returned {type(images).__name__} instead of ganns.data.ImageSet."
        )
    return images
