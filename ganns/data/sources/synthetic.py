"""Synthetic faces on disk: drawn once per machine, as JPEGs in CelebA's own layout.

Every machine draws its own faces: it receives only the seed. JPEG encoders of different versions may write different
bytes for the same face, so the fingerprint is made of the settings (and `VERSION`), not of the files.
"""

from __future__ import annotations

import logging
from pathlib import Path

from ganns import paths
from ganns.config import SyntheticData
from ganns.data.processes import in_processes
from ganns.data.sources.celeba_layout import image_name, write_lists
from ganns.data.sources.faces import HEIGHT, WIDTH, draw_face
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


def ensure(data: SyntheticData) -> Path:
    """Draw the faces if they are missing, and return their folder. Only one process draws, on one thread."""
    path = folder(data)
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with one_at_a_time(path, lambda: log.info("the synthetic faces are being drawn; waiting for them")):
        if not path.exists():
            _draw_all(data, path)
    return path


def _draw_all(data: SyntheticData, path: Path) -> None:
    """Draw into a partial folder, and rename it when it is complete."""
    num = data.count + data.holdout
    log.info("drawing %d synthetic faces, once", num)
    with replacing(path, locked=True) as part:
        images = part / "celeba" / "img_align_celeba"
        images.mkdir(parents=True)
        chunks = [(data.seed, start, min(start + CHUNK, num), str(images)) for start in range(0, num, CHUNK)]
        attributes = [one for drawn in in_processes(draw_part, chunks) for one in drawn]
        write_lists(part / "celeba", attributes, data.count, (WIDTH, HEIGHT))


def draw_part(seed: int, start: int, end: int, images: str) -> list[dict[str, bool]]:
    """Draw faces [start, end) into the folder `images` and return their attributes."""
    found = []
    for number in range(start, end):
        image, attributes = draw_face(seed, number)
        image.save(Path(images) / image_name(number), quality=QUALITY)
        found.append(attributes)
    return found
