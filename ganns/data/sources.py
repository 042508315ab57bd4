"""Where images come from: a list of readable items, the split into training and hold-out, a fingerprint."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

from PIL import Image

from ganns.config import DataConfig
from ganns.data import celeba, folder, synthetic
from ganns.data.fingerprint import of_files, of_recipe
from ganns.errors import DataError


@dataclass(frozen=True)
class Source:
    """Images that can be read one by one. Training images come first, then the held-out ones."""

    name: str
    archive: Path | None  # a zip that is read in place, or None for files
    items: Sequence[str]  # paths, or names within the archive
    num_train: int
    fingerprint: str
    how_to_get: str  # ends the sentence "Get the right images: ..."

    def open(self) -> Callable[[int], Image.Image]:
        """Return a function from an item's number to its RGB image (each process opens its own archive)."""
        archive = ZipFile(self.archive) if self.archive else None

        def read(number: int) -> Image.Image:
            item = self.items[number]
            try:
                data = archive.read(item) if archive else Path(item).read_bytes()
                return Image.open(io.BytesIO(data)).convert("RGB")
            except (OSError, ValueError) as error:
                raise DataError(
                    f"{item} of the {self.name} images cannot be read ({error}); remove it, or get it again."
                ) from error

        return read


def _synthetic(data: DataConfig) -> Source:
    names = [f"{number + 1:06}.jpg" for number in range(data.count + data.holdout)]
    images = synthetic.ensure(data) / "celeba" / "img_align_celeba"
    return Source(
        "synthetic",
        None,
        [str(images / name) for name in names],
        data.count,
        # Not the files' content: JPEG encoders of different versions write different bytes for the same face.
        of_recipe("synthetic", synthetic.VERSION, data.seed, data.count, data.holdout),
        "they are drawn from the run's own settings, so install the version of ganns that the coordinator has",
    )


def _image_folder(data: DataConfig) -> Source:
    archive, items, sizes, read = folder.find(data.path)
    if len(items) <= data.holdout + 1:
        raise DataError(
            f"{data.path} holds {len(items)} images, and data.holdout={data.holdout} of them are to be held out; "
            "set data.holdout lower, or add images."
        )
    return Source(
        "image_folder",
        archive,
        items,
        len(items) - data.holdout,
        of_files([Path(item).name for item in items], sizes, read, data.holdout),
        f"copy the coordinator's images to {data.path} on this machine",
    )


def _celeba(data: DataConfig) -> Source:
    items, num_train = celeba.find(data.path)
    sizes = [Path(item).stat().st_size for item in items]
    return Source(
        "celeba",
        None,
        items,
        num_train,
        of_files([Path(item).name for item in items], sizes, lambda k: Path(items[k]).read_bytes(), num_train),
        "download img_align_celeba and its lists from the CelebA project and set data.path to the folder that "
        "contains `celeba/`",
    )


SOURCES: dict[str, Callable[[DataConfig], Source]] = {
    "synthetic": _synthetic,
    "image_folder": _image_folder,
    "celeba": _celeba,
}
