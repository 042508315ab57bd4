"""Any folder of images, or a zip of them, read in place."""

from __future__ import annotations

from pathlib import Path

from ganns.config import ImageFolderData
from ganns.data.sources.files import Files, in_folder, in_zip, open_zip, order
from ganns.data.sources.location import local, named
from ganns.errors import DataError

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}


def find(data: ImageFolderData) -> Files:
    """Return the images, in the order of their paths below the folder, or in the zip.

    Raises:
        DataError: if the path does not exist, is a broken zip, or holds no images.
    """
    root = local(data)
    setting = "{}={}".format(*named(data))
    if root is None or not root.exists():
        raise DataError(
            f"{setting} does not exist; give a folder or a zip of images: data.path=/my/pictures, or on a machine "
            "where they lie elsewhere GANNS_DATA=/my/pictures in its environment."
        )
    if root.is_file():
        names = [one.filename for one in open_zip(root).infolist() if not one.is_dir() and is_image(one.filename)]
        files = in_zip(root, sorted(names, key=order))
    else:
        paths = [file for file in root.rglob("*") if is_image(file.name) and file.is_file()]
        files = in_folder(
            str(file) for file in sorted(paths, key=lambda file: order(file.relative_to(root).as_posix()))
        )
    if not files.items:
        raise DataError(f"{setting} holds no images ({', '.join(sorted(SUFFIXES))}); is it the right folder?")
    return files


def is_image(name: str) -> bool:
    """Check the file ending; macOS puts "._name.jpg" companions into its zips."""
    return Path(name).suffix.lower() in SUFFIXES and not Path(name).name.startswith("._")
