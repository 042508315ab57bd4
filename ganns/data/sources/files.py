"""Image files in an order: in a folder, or in a zip that is read in place and never unpacked.

A folder and a zip of it must be one data set, whichever machine made the zip. A zip may have file names outside ASCII
in a code page that it does not name, or in one of two Unicode forms. So these files are sorted and known by their size
and content (CRC-32), after all others.
"""

from __future__ import annotations

import functools
import os
import zlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from zipfile import ZipFile, ZipInfo

from ganns.errors import DataError

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}
_UTF8 = 0x800  # the flag of a zip's entry whose name is UTF-8
_HALF_WIDTH = set(map(chr, range(0xFF61, 0xFFA0)))


@dataclass(frozen=True)
class Files:
    """Image files, not yet checked."""

    archive: Path | None  # the zip, or None for files
    items: Sequence[str]  # paths, or names within the archive
    sizes: Sequence[int]  # bytes of each, unpacked
    labels: Sequence[str]  # the name of each without folders, or the CRC-32 of its content; part of the fingerprint
    num_hidden: int = 0  # images that were left out, since they or their folders are hidden


@dataclass(frozen=True)
class _File:
    item: str
    size: int
    parts: tuple[str, ...]  # of the path below the folder, or in the zip
    member: ZipInfo | None = None


def path_text(item: str) -> str:
    r"""Return a path as it can be printed: bytes that are not UTF-8 as `\xe9`."""
    return os.fsencode(item).decode("utf-8", "backslashreplace")


def in_zip(path: Path, items: Iterable[str]) -> Files:
    """Return these members of a zip, in this order. Their names are ASCII."""
    infos = [open_zip(path).getinfo(item) for item in items]
    names = [one.filename.rpartition("/")[2] for one in infos]
    return Files(path, [one.filename for one in infos], [one.file_size for one in infos], names)


def in_folder(items: Iterable[str]) -> Files:
    """Return these files, in this order. Their names are ASCII.

    Raises:
        DataError: if one of them is missing.
    """
    items = list(items)
    return Files(None, items, [_size(item) for item in items], [item.rpartition(os.sep)[2] for item in items])


def images_in_zip(path: Path) -> Files:
    """Return all images of a zip."""
    members = open_zip(path).infolist()
    page = _code_page([_raw(one) for one in members if not _is_known(one)])
    found = [_File(one.filename, one.file_size, _parts(one, page), one) for one in members]
    return _ordered(path, [one for one in found if not one.item.endswith(("/", "\\"))])


def images_in_folder(root: Path) -> Files:
    """Return all images in a folder and the folders below.

    Raises:
        DataError: if a file cannot be read.
    """
    paths = [path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file()]
    return _ordered(None, [_File(str(path), _size(str(path)), path.relative_to(root).parts) for path in paths])


def _ordered(archive: Path | None, found: list[_File]) -> Files:
    """Leave out what is no image or hidden, and sort the rest by path, or by content.

    As paths, "a/1.png" comes before "a-b/1.png"; as strings the order is reversed, since "-" is less than "/".
    """
    images = [one for one in found if one.parts and PurePosixPath(one.parts[-1]).suffix.lower() in SUFFIXES]
    kept = [one for one in images if not _is_hidden(one.parts)]
    below = _num_shared([one.parts[:-1] for one in kept])  # a zip may have one folder more
    keys = {one.item: _key(one, one.parts[below:]) for one in kept}
    kept.sort(key=lambda one: keys[one.item])
    return Files(
        archive,
        [one.item for one in kept],
        [one.size for one in kept],
        [f"{crc:08x}" if number else parts[-1] for number, parts, _, crc in (keys[one.item] for one in kept)],
        len(images) - len(kept),
    )


def _key(file: _File, parts: tuple[str, ...]) -> tuple[int, tuple[str, ...], int, int]:
    if all(part.isascii() for part in parts):
        return 0, parts, 0, 0
    return 1, (), file.size, file.member.CRC if file.member else zlib.crc32(reader(None, [file.item])(0))


def _num_shared(folders: list[tuple[str, ...]]) -> int:
    """Return how many first parts all paths share."""
    return next(
        (n for n, parts in enumerate(zip(*folders, strict=False)) if len(set(parts)) > 1),
        min(map(len, folders), default=0),
    )


def _is_hidden(parts: tuple[str, ...]) -> bool:
    """Check for `.thumbnails/`, `.ipynb_checkpoints/`, `._1.png`, and the folder that macOS puts into its zips."""
    return any(part.startswith(".") or part == "__MACOSX" for part in parts)


def _parts(info: ZipInfo, page: str) -> tuple[str, ...]:
    """Return the parts of a member's path, whose bytes are in this code page if the zip does not say it."""
    # `filename` is not the name as it stands in the zip: on Windows its backslashes are replaced, half letters too.
    name = info.orig_filename if _is_known(info) else _raw(info).decode(page)
    return PurePosixPath(name.replace("\\", "/")).parts


def _is_known(info: ZipInfo) -> bool:
    return info.orig_filename.isascii() or bool(info.flag_bits & _UTF8)


def _raw(info: ZipInfo) -> bytes:
    """Return the bytes of a name; `zipfile` reads them as cp437, in which each byte is a letter."""
    return info.orig_filename.encode("cp437")


def _code_page(names: list[bytes]) -> str:
    """Return a code page in which all names can be read, to tell a backslash that Windows wrote from half a letter.

    Only these have letters of several bytes, and in the last three a backslash may be the second one. In every other
    code page it is the separator, so cp437 is as good as the right one. What is Chinese can be read as Japanese, but
    with half-width letters, which file names seldom have.
    """
    for page in ("utf-8", "cp932", "gbk", "big5"):
        with suppress(UnicodeDecodeError):
            read = [name.decode(page) for name in names]
            if page != "cp932" or not any(_HALF_WIDTH & set(name) for name in read):
                return page
    return "cp437"


def _size(item: str) -> int:
    try:
        return Path(item).stat().st_size
    except OSError as error:
        raise DataError(f"{path_text(item)} is listed and not there; copy or unpack the images again.") from error


def reader(archive: Path | None, items: Sequence[str]) -> Callable[[int], bytes]:
    """Return a function from an item's number to its bytes; it raises DataError for one that cannot be read."""
    opened = open_zip(archive) if archive else None

    def read(number: int) -> bytes:
        item = items[number]
        try:
            return opened.read(item) if opened else Path(item).read_bytes()
        except Exception as error:  # a damaged zip makes `zipfile` raise almost anything
            reason = path_text(str(error))
            raise DataError(f"{path_text(item)} cannot be read ({reason}); remove it, or get it again.") from error

    return read


def open_zip(path: Path) -> ZipFile:
    """Open a zip; a process opens it once, since reading the directory of 200,000 images takes a second.

    Raises:
        DataError: if it cannot be read.
    """
    try:
        return _opened(path, path.stat().st_mtime_ns)
    except Exception as error:  # a damaged one makes `zipfile` raise almost anything
        raise DataError(f"{path_text(str(path))} is not a zip that can be read ({error}); copy it again.") from error


@functools.lru_cache(maxsize=1)
def _opened(path: Path, modified_ns: int) -> ZipFile:
    return ZipFile(path)
