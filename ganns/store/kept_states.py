"""Keep the whole state of every k-th version of a run on the coordinator's disk, for `ganns replay` and `ganns verify`.

A kept state is a hard link to the coordinator's own state file (`ganns/coordinator/state_files.py`), so keeping it
writes nothing. `db.keep_state_every` is k. When the files would need more than `db.keep_state_gb`, those go whose
version is no multiple of 2k; if that is not enough those that are no multiple of 4k, and so on. So what is left covers
the whole run, and the newest part of it more densely.

A file's name ends with the digest of its content, and the database says which digest a version of the run has: a file
of a history that was undone is never taken for the run's.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from ganns.training.serialization import digest

PATTERN = r"version-(\d+)-([0-9a-f]+)\.safetensors"
"""A state file's name: its version, and the digest of its content."""
FOLDER = "kept"
"""Inside the folder of the run's state files."""


def state_files(folder: Path) -> dict[Path, tuple[int, str]]:
    """Return the version and the digest of each state file in a folder, oldest version first; none without a folder."""
    paths = list(folder.iterdir()) if folder.is_dir() else []
    matches = ((re.fullmatch(PATTERN, path.name), path) for path in paths)
    found = {path: (int(match[1]), match[2]) for match, path in matches if match}
    return dict(sorted(found.items(), key=lambda item: item[1]))


def read_state(path: Path) -> bytes | None:
    """Return the content of a state file; None if it is gone meanwhile, or damaged."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    match = re.fullmatch(PATTERN, path.name)
    return data if match and digest(data) == match[2] else None


def find_state(folder: Path, version: int, expected: str) -> bytes | None:
    """Return the state of a version with this digest, kept or one of the two newest; None if it is neither."""
    for path, found in (state_files(folder) | state_files(folder / FOLDER)).items():
        if found == (version, expected) and (data := read_state(path)) is not None:
            return data
    return None


def thinned(sizes: dict[int, int], every: int, max_bytes: int) -> set[int]:
    """Return the versions that stay.

    Args:
        sizes: the bytes of each version's state.
        every: the distance between two kept versions.
        max_bytes: what all of them may need.
    """
    staying = {version for version in sizes if version % every == 0}
    while staying and sum(sizes[version] for version in staying) > max_bytes:
        if staying == {0}:  # a multiple of everything
            return set()
        every *= 2
        staying = {version for version in staying if version % every == 0}
    return staying


class KeptStates:
    """The kept states of one run."""

    def __init__(self, folder: Path, every: int, max_bytes: int) -> None:
        """Use `folder`, which is created for the first state.

        Args:
            folder: for the files.
            every: versions between two kept states; 0 keeps none.
            max_bytes: what the files may need.
        """
        self.folder, self._every, self._max_bytes = folder, every, max_bytes

    def keep(self, path: Path, version: int) -> None:
        """Keep the state file at `path`, of `version`, if it is that version's turn."""
        if not self._every or version % self._every:
            return
        target = self.folder / path.name
        # Others of this version, or of later ones, are of a history that was undone: the run went back.
        files = {one: number for one, (number, _) in state_files(self.folder).items()}
        undone = [one for one, number in files.items() if number >= version and one != target]
        sizes = {number: one.stat().st_size for one, number in files.items() if one not in undone}
        staying = thinned(sizes | {version: path.stat().st_size}, self._every, self._max_bytes)
        for one, number in files.items():
            if one in undone or number not in staying:
                one.unlink(missing_ok=True)
        if version not in staying or target.exists():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            os.link(path, target)
        except OSError:  # a file system without hard links
            part = self.folder / "partial"
            shutil.copyfile(path, part)
            os.replace(part, target)
