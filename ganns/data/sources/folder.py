"""Any folder of images, or a zip of them, read in place."""

from __future__ import annotations

from ganns.config import ImageFolderData
from ganns.data.sources.files import SUFFIXES, Files, images_in_folder, images_in_zip, path_text
from ganns.data.sources.location import local, named
from ganns.errors import DataError


def find(data: ImageFolderData) -> Files:
    """Return the images, in the order of their paths below the folder, or in the zip.

    Raises:
        DataError: if the path does not exist, is a broken zip, or holds no images.
    """
    root = local(data)
    setting = path_text("{}={}".format(*named(data)))
    if root is None or not root.exists():
        raise DataError(
            f"{setting} does not exist; give a folder or a zip of images: data.path=/my/pictures, or on a machine "
            "where they lie elsewhere GANNS_DATA=/my/pictures in its environment."
        )
    files = images_in_zip(root) if root.is_file() else images_in_folder(root)
    if not files.items:
        hidden = f"; {files.num_hidden} hidden ones do not count" if files.num_hidden else ""
        raise DataError(f"{setting} holds no images ({', '.join(sorted(SUFFIXES))}{hidden}); is it the right folder?")
    return files
