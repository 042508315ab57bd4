"""Any folder of images, or a zip of them, read in place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from ganns.errors import DataError

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}


def find(path: str | None) -> tuple[Path | None, list[str], list[int], Callable[[int], bytes]]:
    """Return (the zip or None, sorted items, their sizes in bytes, a function that reads an item's bytes).

    Raises:
        DataError: if the path does not exist, is a broken zip, or holds no images.
    """
    root = Path(path or "").expanduser()
    if not path or not root.exists():
        raise DataError(f"data.path={path} does not exist; give a folder or a zip of images: data.path=/my/pictures")
    if root.is_file():
        try:
            archive = ZipFile(root)
        except (BadZipFile, OSError) as error:
            raise DataError(f"data.path={path} is not a zip that can be read ({error}); copy it again.") from error
        infos = sorted(
            (one for one in archive.infolist() if not one.is_dir() and _is_image(one.filename)),
            key=lambda one: one.filename,
        )
        items, sizes = [one.filename for one in infos], [one.file_size for one in infos]
        read: Callable[[int], bytes] = lambda number: archive.read(items[number])  # noqa: E731
    else:
        files = sorted(file for file in root.rglob("*") if file.is_file() and _is_image(file.name))
        items, sizes = [str(file) for file in files], [file.stat().st_size for file in files]
        read = lambda number: Path(items[number]).read_bytes()  # noqa: E731
    if not items:
        raise DataError(f"data.path={path} holds no images ({', '.join(sorted(SUFFIXES))}); is it the right folder?")
    return (root if root.is_file() else None), items, sizes, read


def _is_image(name: str) -> bool:
    """Tell by its ending; macOS puts "._name.jpg" companions into its zips."""
    return Path(name).suffix.lower() in SUFFIXES and not Path(name).name.startswith("._")
