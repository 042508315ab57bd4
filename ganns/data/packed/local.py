"""Places on a machine for images of a pack: the pack's own folder, or the decoded images of its source."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

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
