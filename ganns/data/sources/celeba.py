"""CelebA (Liu et al. 2015): torchvision's folder layout, or the zip that the authors distribute, read in place.

We train on the data set's own training split and hold out its validation split; we do not use the test split.
Folder and zip give the same images in the same order, and so the same fingerprint.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

from ganns import paths
from ganns.config import CelebAData
from ganns.data.attributes import LIST, Attributes, read_list
from ganns.data.sources.files import Files, in_folder, in_zip, open_zip
from ganns.data.sources.location import local, named
from ganns.errors import DataError

ZIP = "img_align_celeba.zip"
PARTITION = "list_eval_partition.txt"
LAST_TRAIN, LAST_VALID = 162770, 182637
"""The official split by the images' numbers: 1-162770 training, 162771-182637 validation, 182638-202599 test."""


def dataset_class() -> Any:
    """Return torchvision's CelebA (a test replaces it by a subclass that accepts generated files)."""
    from torchvision.datasets import CelebA

    return CelebA


def find(data: CelebAData) -> tuple[Files, int]:
    """Return (the files of the training split followed by those of the validation split, the former's number).

    `data.path`, or GANNS_DATA, is the zip, or a folder with the zip or with `celeba/`; without either it is data/
    below the ganns home.

    Raises:
        DataError: if files are missing or corrupted.
    """
    root = local(data) or paths.home() / "data"
    archive = find_zip(root)
    files, num_train = _from_zip(archive) if archive else _from_folder(root, named(data)[0])
    if not num_train:
        raise DataError(f"CelebA in {archive or root / 'celeba'} has no training images; get its list files again.")
    return files, num_train


def attributes(data: CelebAData, files: Files) -> Callable[[], Attributes] | None:
    """Return a function that reads the attributes of `files`; None if `list_attr_celeba.txt` is not there.

    It is looked for where the images are: in the folder `celeba/`, beside the zip, or in it.
    """
    root = local(data) or paths.home() / "data"
    archive = find_zip(root)
    images = [PurePosixPath(item.replace("\\", "/")).name for item in files.items]
    if archive is not None and not (archive.parent / LIST).is_file():
        zipped = open_zip(archive)
        inside = next((name for name in zipped.namelist() if PurePosixPath(name).name == LIST), None)
        if inside is None:
            return None
        return lambda: read_list(zipped.read(inside).decode("utf-8", errors="replace"), images, inside)
    listed = (archive.parent if archive else root / "celeba") / LIST
    if not listed.is_file():
        return None
    return lambda: read_list(listed.read_text("utf-8", errors="replace"), images, str(listed))


def find_zip(root: Path) -> Path | None:
    """Return the zip that `root` is or contains; None if the images are there unpacked, or not at all."""
    if root.is_file():
        return root
    if (root / "celeba" / "img_align_celeba").is_dir():
        return None
    return next((path for path in (root / ZIP, root / "celeba" / ZIP) if path.is_file()), None)


def _from_folder(root: Path, setting: str) -> tuple[Files, int]:
    """Find them with torchvision: it knows the list files and their checksums."""
    splits: list[list[str]] = []
    for split in ("train", "valid"):
        try:
            found = dataset_class()(root=str(root), split=split, target_type="attr", download=False)
        except (RuntimeError, OSError, ValueError) as error:
            raise DataError(
                f"CelebA is not (whole) in {root / 'celeba'} ({str(error).splitlines()[0]}) Put {ZIP} there, or "
                "img_align_celeba/ and the list_*.txt files of the CelebA project, or set "
                f"{setting} to the zip or to the folder that contains celeba/, or use data=synthetic."
            ) from error
        folder = Path(found.root) / found.base_folder / "img_align_celeba"
        splits.append([str(folder / name) for name in sorted(found.filename)])
    return in_folder(splits[0] + splits[1]), len(splits[0])


def _from_zip(path: Path) -> tuple[Files, int]:
    """Find the images by their names, and the split in the list if there is one, else by their numbers."""
    archive = open_zip(path)
    images = {name[-10:]: name for name in archive.namelist() if re.search(r"(^|/)\d{6}\.jpg$", name)}
    if not images:
        raise DataError(f"{path} holds no images named like 000001.jpg; is it CelebA's {ZIP}?")
    split = _read_partition(path)
    if split is None:
        split = {name: _official(int(name[:6])) for name in images}
    elif missing := sorted(name for name, part in split.items() if part in (0, 1) and name not in images):
        raise DataError(f"{path} is not whole: {missing[0]} is in {PARTITION} and not in the zip; get it again.")
    train, valid = ([images[name] for name in sorted(split) if split[name] == part] for part in (0, 1))
    return in_zip(path, train + valid), len(train)


def _read_partition(path: Path) -> dict[str, int] | None:
    """Return {"000001.jpg": 0 training, 1 validation, 2 test} from the list beside the zip or in it, if there is one.

    Raises:
        DataError: if it is not in that format.
    """
    archive, beside = open_zip(path), path.parent / PARTITION
    inside = [name for name in archive.namelist() if PurePosixPath(name).name == PARTITION]
    if beside.is_file():
        text = beside.read_text("utf-8", errors="replace")
    elif inside:
        text = archive.read(inside[0]).decode("utf-8", errors="replace")
    else:
        return None
    found: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        matched = re.fullmatch(r"(\d{6}\.jpg)\s+([012])\s*", line)
        if matched:
            found[matched[1]] = int(matched[2])
        elif line.strip():
            raise DataError(f"Line {number} of {PARTITION} is not like '000001.jpg 0': get the file again.")
    return found


def _official(number: int) -> int:
    """Return an image's part by its number, counted from 1: 0 training, 1 validation, 2 test."""
    return int(number > LAST_TRAIN) + int(number > LAST_VALID)
