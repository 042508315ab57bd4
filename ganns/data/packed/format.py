"""A packed data set: a folder of decoded images on any web server; a worker fetches only the ones it needs.

    index.json        sizes, split, source, the SHA-256 of every other file
    attributes.bin    what the images show, uint8 [num, A], if the source says so
    digests.bin       16 bytes for each image, BLAKE2b of its pixels
    shard-00000.bin   pixels of 4096 images, uint8 [4096, 3, S, S], without a header; then shard-00001.bin ...

An epoch's order is random: the 64 images of a unit lie in as many places all over the shards. So the unit of fetching
is one image, and the unit of checking must be one too: with a checksum for each block of 64, a worker would have to
fetch 64 images to check the one that it needs. The digests of CelebA at 64x64 are 3 MB, the pixels 2.2 GB.

The index's own digest is the data set's fingerprint, and so it covers every pixel (as in Merkle 1988).
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from ganns.data.decoded_cache import PROTOCOL, decoded
from ganns.data.sources.source import Source
from ganns.errors import DataError
from ganns.utils.atomic import replacing

FORMAT = "ganns-pack-1"
SHARD_IMAGES = 4096
DIGEST_BYTES = 16
INDEX, DIGESTS, ATTRIBUTES = "index.json", "digests.bin", "attributes.bin"
MAX_ATTRIBUTES = 1000


@dataclass(frozen=True)
class Index:
    """Content of index.json. Files are named by number: a name from a web server could be any path."""

    format: str
    image_size: int
    num_images: int  # training images first, then the held-out ones
    num_train: int
    shard_images: int  # in each shard but the last
    shards: list[str]  # their SHA-256
    digests: str  # the SHA-256 of digests.bin
    source: str  # name and fingerprint of what was packed, and how it was decoded
    source_fingerprint: str
    protocol: int
    attributes: list[str] = field(default_factory=list)  # their names; empty: the source has none
    attributes_sum: str = ""  # the SHA-256 of attributes.bin

    @property
    def row_bytes(self) -> int:
        """Bytes of one image."""
        return 3 * self.image_size**2

    def size_of(self, shard: int) -> int:
        """Return the bytes of a shard."""
        start = shard * self.shard_images
        return (min(start + self.shard_images, self.num_images) - start) * self.row_bytes

    def to_bytes(self) -> bytes:
        """Return the file's content."""
        values = {key: value for key, value in asdict(self).items() if value or "attributes" not in key}
        return (json.dumps(values, indent=1) + "\n").encode()

    @classmethod
    def from_bytes(cls, data: bytes, where: str) -> Index:
        """Read what `to_bytes` wrote; `where` is for the message.

        Raises:
            DataError: if it is no index, or its values contradict each other.
        """
        try:
            index = cls(**json.loads(data))
            numbers = (index.image_size, index.num_images, index.num_train, index.shard_images, index.protocol)
            sums = [index.digests, *index.shards, *([index.attributes_sum] if index.attributes else [])]
            sound = (
                index.format == FORMAT
                and all(type(number) is int for number in numbers)
                and 0 < index.image_size <= 4096
                and 2 <= index.num_train <= index.num_images <= 10**9
                and index.shard_images > 0
                and len(index.shards) == -(-index.num_images // index.shard_images)
                and all(isinstance(one, str) and len(one) == 64 for one in sums)
                and all(isinstance(one, str) for one in index.attributes)
                and len(set(index.attributes)) == len(index.attributes) <= MAX_ATTRIBUTES
                and isinstance(index.source, str)
                and isinstance(index.source_fingerprint, str)
            )
        except (ValueError, TypeError, RecursionError) as error:
            raise DataError(f"{where} is no index of a packed data set ({error}); check the address.") from error
        if not sound:
            raise DataError(f"{where} is no index that this version can read; make the pack again: `ganns data pack`.")
        return index


def fingerprint(data: bytes) -> str:
    """Return a data set's fingerprint; `data` is its index.json."""
    return hashlib.sha256(data).hexdigest()[:32]


def shard_name(shard: int) -> str:
    """Return a shard's file name."""
    return f"shard-{shard:05}.bin"


def digest_rows(rows: np.ndarray) -> np.ndarray:
    """Return the digest of each row: uint8 [N, B] -> uint8 [N, 16]."""
    digests = [hashlib.blake2b(row.tobytes(), digest_size=DIGEST_BYTES).digest() for row in rows]
    return np.frombuffer(b"".join(digests), np.uint8).reshape(len(rows), DIGEST_BYTES)


def write(
    source: Source,
    size: int,
    target: Path,
    cache_root: Path,
    on_shard: Callable[[int, int], None] = lambda done, total: None,
) -> Index:
    """Decode a source at `size` pixels and write the pack into the folder `target`, which appears when complete.

    Raises:
        DataError: if `target` exists, or the disk is too small.
    """
    if target.exists():
        raise DataError(f"{target} exists; delete it, or name another folder.")
    pixels = decoded(source, size, cache_root)
    target.parent.mkdir(parents=True, exist_ok=True)
    needed, free = len(pixels) * (3 * size**2 + DIGEST_BYTES), shutil.disk_usage(target.parent).free
    if free < needed:
        raise DataError(
            f"{target.parent} has {free / 1e6:,.0f} MB free, and the pack needs {needed / 1e6:,.0f} MB: make room, or "
            "name another folder."
        )
    with replacing(target, locked=True) as part:
        return _write(source, pixels, size, part, on_shard)


def _write(source: Source, pixels: np.ndarray, size: int, folder: Path, on_shard: Callable[[int, int], None]) -> Index:
    folder.mkdir()
    shards, digests = [], []
    starts = range(0, len(pixels), SHARD_IMAGES)
    for shard, start in enumerate(starts):
        rows = np.array(pixels[start : start + SHARD_IMAGES]).reshape(-1, 3 * size**2)
        (folder / shard_name(shard)).write_bytes(rows.tobytes())
        shards.append(hashlib.sha256(rows.tobytes()).hexdigest())
        digests.append(digest_rows(rows).tobytes())
        on_shard(shard + 1, len(starts))
    (folder / DIGESTS).write_bytes(b"".join(digests))
    attributes = source.attributes() if source.attributes is not None else None
    values = attributes.values.tobytes() if attributes else b""
    if attributes:
        (folder / ATTRIBUTES).write_bytes(values)
    index = Index(
        FORMAT,
        size,
        len(pixels),
        source.num_train,
        SHARD_IMAGES,
        shards,
        hashlib.sha256(b"".join(digests)).hexdigest(),
        source.name,
        source.fingerprint,
        PROTOCOL,
        list(attributes.names) if attributes else [],
        hashlib.sha256(values).hexdigest() if attributes else "",
    )
    (folder / INDEX).write_bytes(index.to_bytes())
    return index
