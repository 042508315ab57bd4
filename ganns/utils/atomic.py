"""Write a file or a folder so that a reader sees the old one or the new one, and never a part of it."""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path, *, locked: bool = False, sync: bool = False) -> Iterator[Path]:
    """Yield another path to write a file or a folder to; when the block ends without an error, rename it to `path`.

    The other path lies in the same folder (which is created), since a rename is atomic within one file system only.
    It has the same suffix, since some writers choose the format by it.

    Args:
        path: a file; or a folder, which replaces a folder that is there.
        locked: no other process writes `path` meanwhile. Then the other path is always the same, and the remains of
            a killed process there are deleted.
        sync: wait until the file's content is on the disk, so that it survives a power failure.
    """
    if not path.name:  # `.` or `/`
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    part = path.with_name(f".{path.stem}.{'partial' if locked else uuid.uuid4().hex[:8]}{path.suffix}")
    old = part.with_name(f"{part.name}.old")
    path.parent.mkdir(parents=True, exist_ok=True)
    if locked:
        _delete(part)
    try:
        yield part
        if sync:
            with part.open("rb+") as written:
                os.fsync(written.fileno())
        if path.is_dir() and not part.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if part.is_dir() and path.is_dir():  # a folder cannot be renamed over a full one
            os.replace(path, old)
        os.replace(part, path)
    except BaseException:
        if old.exists() and not path.exists():
            os.replace(old, path)
        raise
    finally:
        _delete(part)
        _delete(old)


def write_text(path: Path, text: str, *, private: bool = False) -> None:
    """Write a small file of text in UTF-8; with `private`, only its owner may read it."""
    with replacing(path) as part:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if private else 0o666))
        part.write_text(text, encoding="utf-8")


def _delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
