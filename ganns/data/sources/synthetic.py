"""Synthetic faces on disk: drawn once per machine, as JPEGs in CelebA's own layout.

Every machine draws its own faces: it receives only the seed.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ganns import paths
from ganns.config import SyntheticData
from ganns.data.processes import in_processes
from ganns.data.sources.celeba_layout import image_name, write_lists
from ganns.data.sources.decode import decode, prepare
from ganns.data.sources.faces import HEIGHT, WIDTH, draw_face
from ganns.data.sources.fingerprint import of_recipe
from ganns.utils.atomic import replacing
from ganns.utils.locks import one_at_a_time

log = logging.getLogger(__name__)

VERSION = 1
"""Raise it when `faces` draws differently: other faces are another dataset."""
CHUNK = 250
QUALITY = 92


def folder(data: SyntheticData) -> Path:
    """Return the folder of these settings' faces; torchvision's `CelebA(root=...)` reads them there."""
    return paths.home() / "data" / f"synthetic-v{VERSION}-s{data.seed}-n{data.count}-h{data.holdout}"


def fingerprint(data: SyntheticData) -> str:
    """Return the fingerprint of these settings' faces.

    Not of the files' content: JPEG encoders of different versions write different bytes for the same face.
    """
    return of_recipe("synthetic", VERSION, data.seed, data.count, data.holdout)


def ensure(data: SyntheticData) -> Path:
    """Draw the faces if they are missing, and return their folder. Only one process draws, on one thread."""
    path = folder(data)
    with alone(path) as missing:
        if missing:
            for _ in draw_all(data, path):
                pass
    return path


@contextmanager
def alone(path: Path) -> Iterator[bool]:
    """Tell whether the faces are missing; while they are, no other process and no other thread is told so."""
    if path.exists():
        yield False
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with one_at_a_time(path, lambda: log.info("the synthetic faces are being drawn; waiting for them")):
        yield not path.exists()


def draw_all(data: SyntheticData, path: Path, size: int | None = None) -> Iterator[tuple[int, np.ndarray]]:
    """Draw into a partial folder, on all processors, and rename it when it is complete.

    Yields:
        After each chunk, the number of its first face, and its pixels at `size`, uint8 [n, 3, size, size] (none
        without a size): a face that was just drawn need not be read again.
    """
    num = data.count + data.holdout
    log.info("drawing %d synthetic faces, once", num)
    with replacing(path, locked=True) as part:
        images = part / "celeba" / "img_align_celeba"
        images.mkdir(parents=True)
        chunks = [(data.seed, start, min(start + CHUNK, num), str(images), size) for start in range(0, num, CHUNK)]
        attributes: list[dict[str, bool]] = []
        for found, pixels in in_processes(draw_part, chunks):
            yield len(attributes), pixels
            attributes += found
        write_lists(part / "celeba", attributes, data.count, (WIDTH, HEIGHT))


def draw_part(
    seed: int, start: int, end: int, images: str, size: int | None
) -> tuple[list[dict[str, bool]], np.ndarray]:
    """Draw faces [start, end) into the folder `images`; return their attributes, and their pixels at `size`."""
    found = []
    pixels = np.empty((end - start if size else 0, 3, size or 0, size or 0), np.uint8)
    for number in range(start, end):
        image, attributes = draw_face(seed, number)
        file = io.BytesIO()
        image.save(file, "JPEG", quality=QUALITY)
        name = image_name(number)
        (Path(images) / name).write_bytes(file.getvalue())
        if size:  # from the JPEG, like everyone who reads the file
            pixels[number - start] = prepare(decode(file.getvalue(), name), size)
        found.append(attributes)
    return found, pixels
