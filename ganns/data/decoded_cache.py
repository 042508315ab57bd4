"""Decoded images on disk: one uint8 array, memory-mapped, so that loading is never the bottleneck.

Decoding a JPEG and resizing it costs more than everything else a small GAN does with the image on a GPU, and it
would be repeated in every epoch. The usual CelebA-64 protocol is applied once: centre crop to 178x178 (to the
short side, for other formats), then antialiased bilinear resizing.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from ganns.data.processes import in_processes
from ganns.data.sources.source import Source, image_reader
from ganns.errors import DataError
from ganns.utils.atomic import replacing
from ganns.utils.locks import one_at_a_time

log = logging.getLogger(__name__)

PROTOCOL = 2
"""Raise it when `prepare` or `sources/decode.py` changes: old caches are then left alone and new ones built."""
CHUNK = 512
NUM_NAMED = 20
"""Broken files that a message names."""


def prepare(image: Image.Image, size: int) -> np.ndarray:
    """Crop the centre square and resize it: RGB image -> uint8 [3, size, size]."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = image.crop((left, top, left + side, top + side))
    resized = square.resize((size, size), Image.Resampling.BILINEAR)  # Pillow's is antialiased when it shrinks
    return np.asarray(resized, dtype=np.uint8).transpose(2, 0, 1)


def decoded(source: Source, size: int, root: Path) -> np.ndarray:
    """Return all images as a read-only memory map, uint8 [num, 3, size, size], building the file if need be."""
    path = path_of(source.name, source.fingerprint, size, root)
    if not path.exists():
        root.mkdir(parents=True, exist_ok=True)
        with one_at_a_time(path, lambda: log.info("the %s images are being decoded; waiting", source.name)):
            if not path.exists():
                _build(source, size, path)
    pixels: np.ndarray = np.load(path, mmap_mode="r")
    num = len(source.files.items)
    if pixels.shape != (num, 3, size, size):
        raise DataError(f"{path} has shape {pixels.shape}, not that of {num} images; delete it.")
    return pixels


def path_of(name: str, fingerprint: str, size: int, root: Path) -> Path:
    """Return where the decoded images of a source are kept."""
    return root / f"decoded-v{PROTOCOL}-{name}-{fingerprint}-{size}.npy"


def _build(source: Source, size: int, path: Path) -> None:
    """Decode all images, on all processors, into a partial file; rename it at the end."""
    num = len(source.files.items)
    log.info("decoding %d %s images at %dx%d, once", num, source.name, size, size)
    with replacing(path, locked=True) as part:
        pixels = np.lib.format.open_memmap(part, mode="w+", dtype=np.uint8, shape=(num, 3, size, size))
        _reserve(part)
        for start, block in read_all(source, size):
            pixels[start : start + len(block)] = block
        pixels.flush()
        del pixels


def _reserve(path: Path) -> None:
    """Reserve the disk space of a file that is still sparse.

    When the disk is full, a write to a memory map raises no error: the system kills the process (SIGBUS).

    Raises:
        OSError: if the disk is full.
    """
    if hasattr(os, "posix_fallocate"):  # not on macOS and Windows
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def read_all(source: Source, size: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (number of the first image, uint8 [n, 3, size, size]) for all images, decoded on all processors.

    Raises:
        DataError: after the last image, if files could not be read: the message names up to `NUM_NAMED` of them.
    """
    files, num = source.files, len(source.files.items)
    starts = range(0, num, CHUNK)  # a call carries only the names of its own images to another process
    calls = [(source.name, files.archive, files.items[start : start + CHUNK], size) for start in starts]
    broken: list[str] = []
    for start, (block, found) in zip(starts, in_processes(_decode, calls), strict=True):
        broken += found
        yield start, block
    if broken:
        more = f"\n... and {len(broken) - NUM_NAMED:,} more" if len(broken) > NUM_NAMED else ""
        first = f"{len(broken):,} of {num:,} images cannot be used:\n" if len(broken) > 1 else ""
        raise DataError(first + "\n".join(broken[:NUM_NAMED]) + more)


def _decode(name: str, archive: Path | None, items: Sequence[str], size: int) -> tuple[np.ndarray, list[str]]:
    """Return the pixels, uint8 [len(items), 3, size, size], and a message for each file that cannot be read."""
    read, pixels, broken = image_reader(name, archive, items), np.zeros((len(items), 3, size, size), np.uint8), []
    for number in range(len(items)):
        try:
            pixels[number] = prepare(read(number), size)
        except DataError as error:
            broken.append(str(error))
    return pixels, broken
