"""A source of images: a list of readable items, the split into training and hold-out, a fingerprint."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from ganns.config import CelebAData, ImageFolderData, SyntheticData
from ganns.data.attributes import LIST, Attributes, read_list
from ganns.data.sources import celeba, folder, synthetic
from ganns.data.sources.decode import decode
from ganns.data.sources.files import Files, in_folder, path_text, reader
from ganns.data.sources.fingerprint import of_files
from ganns.data.sources.location import named
from ganns.errors import DataError


@dataclass(frozen=True)
class Origin:
    """The description of a set of images, for all kinds of source."""

    name: str
    num_train: int
    fingerprint: str
    how_to_get: str  # ends the sentence "Get the right images: ..."


@dataclass(frozen=True)
class Source(Origin):
    """Images that can be read one by one. Training images come first, then the held-out ones."""

    files: Files
    attributes: Callable[[], Attributes] | None = None  # reads them; None: these images have none

    def open(self) -> Callable[[int], Image.Image]:
        """Return a function from an item's number to its RGB image."""
        return image_reader(self.name, self.files.archive, self.files.items)


def image_reader(name: str, archive: Path | None, items: Sequence[str]) -> Callable[[int], Image.Image]:
    """Return a function from a number in `items` to the RGB image (each process opens its own archive).

    The function raises DataError for one that cannot be read.
    """
    data = reader(archive, items)
    return lambda number: decode(data(number), f"{path_text(items[number])} of the {name} images")


def _synthetic(data: SyntheticData) -> Source:
    names = [f"{number + 1:06}.jpg" for number in range(data.count + data.holdout)]
    folder = synthetic.ensure(data) / "celeba"
    images, listed = folder / "img_align_celeba", folder / LIST
    return Source(
        "synthetic",
        data.count,
        synthetic.fingerprint(data),
        "they are drawn from the run's own settings, so install the version of ganns that the coordinator has",
        in_folder(str(images / name) for name in names),
        lambda: read_list(listed.read_text("utf-8"), names, str(listed)),
    )


def _image_folder(data: ImageFolderData) -> Source:
    files, setting = folder.find(data), path_text("{}={}".format(*named(data)))
    num = len(files.items)
    if num <= data.holdout + 1:
        raise DataError(
            f"{setting} holds {num} image{'' if num == 1 else 's'}, and data.holdout={data.holdout} of them are held "
            f"out: at least {data.holdout + 2} are needed. Add images"
            + (", or set data.holdout lower." if data.holdout else ".")
        )
    return Source(
        "image_folder",
        num - data.holdout,
        _fingerprint(files, data.holdout),
        f"copy the coordinator's images to {path_text(str(data.path))} on this machine, "
        "or set GANNS_DATA to where they lie",
        files,
    )


def _celeba(data: CelebAData) -> Source:
    files, num_train = celeba.find(data)
    return Source(
        "celeba",
        num_train,
        _fingerprint(files, num_train),
        f"download {celeba.ZIP} from the CelebA project, or with `ganns data get celeba`, and set data.path or "
        "GANNS_DATA to it",
        files,
        celeba.attributes(data, files),
    )


def _fingerprint(files: Files, split: int) -> str:
    return of_files(files.labels, files.sizes, reader(files.archive, files.items), split)


SOURCES: dict[str, Callable[[Any], Source]] = {
    "synthetic": _synthetic,
    "image_folder": _image_folder,
    "celeba": _celeba,
}
"""The sources that are files of images, each with its own dataclass of settings; `packed`, which is pixels, is in
ganns/data/packed/reader.py."""
