"""Image files in an order: in a folder, or in a zip that is read in place and never unpacked."""

from __future__ import annotations

import functools
import os
import unicodedata
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from zipfile import BadZipFile, ZipFile

from ganns.errors import DataError


@dataclass(frozen=True)
class Files:
    """Image files, not yet checked."""

    archive: Path | None  # the zip, or None for files
    items: Sequence[str]  # paths, or names within the archive
    sizes: Sequence[int]  # bytes of each, unpacked

    def names(self) -> list[str]:
        """Return each file's name without folders, in one Unicode normal form.

        A Mac writes an "é" into a zip as "e" and an accent, Linux keeps it as one character: the same file.
        """
        separator = "/" if self.archive else os.sep
        return [unicodedata.normalize("NFC", item.rpartition(separator)[2]) for item in self.items]


def order(relative: str) -> tuple[str, ...]:
    """Return the key that sorts files alike in a folder and in a zip of it: the parts of the path.

    As strings, "a-b/1.png" comes before "a/1.png", since "-" is less than "/"; as paths, the order is reversed.
    """
    return tuple(unicodedata.normalize("NFC", part) for part in PurePosixPath(relative).parts)


def in_zip(path: Path, items: Iterable[str]) -> Files:
    """Return these members of a zip."""
    infos = [open_zip(path).getinfo(item) for item in items]
    return Files(path, [one.filename for one in infos], [one.file_size for one in infos])


def in_folder(items: Iterable[str]) -> Files:
    """Return these files.

    Raises:
        DataError: if one of them is missing.
    """
    items = list(items)
    try:
        return Files(None, items, [Path(item).stat().st_size for item in items])
    except OSError as error:
        raise DataError(f"{error.filename} is listed and not there; copy or unpack the images again.") from error


def reader(archive: Path | None, items: Sequence[str]) -> Callable[[int], bytes]:
    """Return a function from an item's number to its bytes; it raises DataError for one that cannot be read."""
    opened = open_zip(archive) if archive else None

    def read(number: int) -> bytes:
        item = items[number]
        try:
            return opened.read(item) if opened else Path(item).read_bytes()
        except (OSError, KeyError, EOFError, RuntimeError, BadZipFile, zlib.error) as error:
            raise DataError(f"{item} cannot be read ({error}); remove it, or get it again.") from error

    return read


def open_zip(path: Path) -> ZipFile:
    """Open a zip; a process opens it once, since reading the directory of 200,000 images takes a second.

    Raises:
        DataError: if it cannot be read.
    """
    try:
        return _opened(path, path.stat().st_mtime_ns)
    except (BadZipFile, OSError) as error:
        raise DataError(f"{path} is not a zip that can be read ({error}); copy it again.") from error


@functools.lru_cache(maxsize=1)
def _opened(path: Path, modified_ns: int) -> ZipFile:
    return ZipFile(path)
