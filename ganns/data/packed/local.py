"""Places on a machine for images of a pack: the pack's own folder, the decoded images of its source, or fetched rows.

`SparseRows` keeps the rows that came over the network in a file with space for all of them, and a map of the present
ones. A sparse file uses disk space only for written rows. The workers of a machine share it. The map is written after
the rows, but a power cut may save the map and lose the rows: so readers compare each row with a digest.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import filelock
import numpy as np

from ganns.data.packed import format as pack_format
from ganns.data.packed.format import Index
from ganns.errors import DataError


class Place(Protocol):
    """A place that has all images, or some of them."""

    where: str

    def read(self, numbers: np.ndarray) -> np.ndarray:
        """Return images, uint8 [N, row_bytes]; rows of missing images may hold any bytes."""


class FolderPlace:
    """The pack's own files."""

    def __init__(self, folder: Path, index: Index) -> None:
        """Map the shards.

        Raises:
            DataError: if one is missing or has another size.
        """
        self.where, self._index = str(folder), index
        self._shards = []
        for shard in range(len(index.shards)):
            path = folder / pack_format.shard_name(shard)
            if not path.is_file() or path.stat().st_size != index.size_of(shard):
                raise DataError(f"{path} is missing or not whole; copy the pack again.")
            self._shards.append(np.memmap(path, np.uint8, mode="r").reshape(-1, index.row_bytes))

    def read(self, numbers: np.ndarray) -> np.ndarray:
        """Return images, uint8 [N, row_bytes]."""
        each = self._index.shard_images
        return np.stack([self._shards[number // each][number % each] for number in map(int, numbers)])


class DecodedPlace:
    """The images of the pack's source, decoded by this machine; its decoder may round differently."""

    def __init__(self, path: Path, index: Index) -> None:
        """Map the array."""
        self.where = str(path)
        self._rows = np.load(path, mmap_mode="r").reshape(index.num_images, index.row_bytes)

    def read(self, numbers: np.ndarray) -> np.ndarray:
        """Return images, uint8 [N, row_bytes]."""
        return np.array(self._rows[numbers])


class SparseRows:
    """`num` rows of `row_bytes` bytes each, in a folder; hold `lock` while writing."""

    def __init__(self, folder: Path, num: int, row_bytes: int) -> None:
        """Open the two files, making them if need be."""
        folder.mkdir(parents=True, exist_ok=True)
        self._path, self._row_bytes = folder / "rows.bin", row_bytes
        self.lock = filelock.FileLock(folder / "rows.lock")  # for processes, and for the threads of each
        have = folder / "have.bin"  # a byte for each row, so that setting one cannot disturb its neighbours
        with self.lock:
            if not have.exists() or have.stat().st_size != num:
                have.write_bytes(bytes(num))  # real zeros: a write to a hole could meet a full disk
            if not self._path.exists() or self._path.stat().st_size != num * row_bytes:
                with self._path.open("ab") as file:
                    file.truncate(num * row_bytes)
        self._have = np.memmap(have, np.uint8, mode="r+")
        self._rows = np.memmap(self._path, np.uint8, mode="r", shape=(num, row_bytes))

    def has(self, numbers: np.ndarray) -> np.ndarray:
        """Tell for each number whether its row is there, bool [N]."""
        there: np.ndarray = self._have[numbers] != 0
        return there

    def num_there(self) -> int:
        """Return how many rows are there."""
        return int(np.count_nonzero(self._have))

    def read(self, numbers: np.ndarray) -> np.ndarray:
        """Return rows, uint8 [N, row_bytes]; missing ones are zeros."""
        return np.array(self._rows[numbers])

    def write(self, first: int, rows: np.ndarray) -> None:
        """Keep consecutive rows, uint8 [N, row_bytes].

        Raises:
            OSError: if the disk is full (a write through a memory map would kill the process instead).
        """
        with self._path.open("r+b") as file:
            file.seek(first * self._row_bytes)
            file.write(rows.tobytes())
        self._have[first : first + len(rows)] = 1
