"""Decoded images on disk: one uint8 array, memory-mapped, so that loading is never the bottleneck.

Decoding a JPEG and resizing it costs more than everything else a small GAN does with the image on a GPU, and it
would be repeated in every epoch. The usual CelebA-64 protocol is applied once: centre crop to 178x178 (to the
short side, for other formats), then antialiased bilinear resizing.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ganns.config import SyntheticData
from ganns.data.processes import in_processes
from ganns.data.sources import synthetic
from ganns.data.sources.decode import prepare
from ganns.data.sources.source import Source, image_reader
from ganns.errors import DataError
from ganns.utils.atomic import replacing
from ganns.utils.locks import one_at_a_time

log = logging.getLogger(__name__)

PROTOCOL = 2
"""Raise it when `sources/decode.py` changes: old caches are then left alone and new ones built."""
CHUNK = 512
NUM_NAMED = 20
"""Broken files that a message names."""


OnProgress = Callable[[int, int], None]
"""Told (images that are ready, images in all)."""


def draw(data: SyntheticData, size: int, root: Path, on_progress: OnProgress = lambda done, num: None) -> None:
    """Draw the faces if they are missing, straight into the decoded file too."""
    folder, num = synthetic.folder(data), data.count + data.holdout
    with synthetic.alone(folder) as missing:
        if missing:
            with _new_file(path_of("synthetic", synthetic.fingerprint(data), size, root), num, size) as pixels:
                for start, block in synthetic.draw_all(data, folder, size):
                    pixels[start : start + len(block)] = block
                    on_progress(start + len(block), num)


def decoded(source: Source, size: int, root: Path, on_progress: OnProgress = lambda done, num: None) -> np.ndarray:
    """Return all images as a read-only memory map, uint8 [num, 3, size, size], building the file if need be."""
    path = path_of(source.name, source.fingerprint, size, root)
    if not path.exists():
        root.mkdir(parents=True, exist_ok=True)
        with one_at_a_time(path, lambda: log.info("the %s images are being decoded; waiting", source.name)):
            if not path.exists():
                _build(source, size, path, on_progress)
    pixels: np.ndarray = np.load(path, mmap_mode="r")
    num = len(source.files.items)
    if pixels.shape != (num, 3, size, size):
        raise DataError(f"{path} has shape {pixels.shape}, not that of {num} images; delete it.")
    return pixels


def path_of(name: str, fingerprint: str, size: int, root: Path) -> Path:
    """Return where the decoded images of a source are kept."""
    return root / f"decoded-v{PROTOCOL}-{name}-{fingerprint}-{size}.npy"


def _build(source: Source, size: int, path: Path, on_progress: OnProgress) -> None:
    """Decode all images, on all processors."""
    num = len(source.files.items)
    log.info("decoding %d %s images at %dx%d, once", num, source.name, size, size)
    with _new_file(path, num, size) as pixels:
        for start, block in read_all(source, size):
            pixels[start : start + len(block)] = block
            on_progress(start + len(block), num)


@contextmanager
def _new_file(path: Path, num: int, size: int) -> Iterator[np.ndarray]:
    """Yield the array of a partial file, uint8 [num, 3, size, size]; rename the file at the end."""
    with replacing(path, locked=True) as part:
        pixels = np.lib.format.open_memmap(part, mode="w+", dtype=np.uint8, shape=(num, 3, size, size))
        _reserve(part)
        yield pixels
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
