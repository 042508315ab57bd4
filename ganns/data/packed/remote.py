"""Images of a packed data set from a web server: only the needed ones, each once per machine."""

from __future__ import annotations

import hashlib
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import httpx
import numpy as np

from ganns.data.http.address import check_address, shown
from ganns.data.http.client import Timeouts, Trouble, check_status, content_range, open_client, patiently, pieces
from ganns.data.http.download import download
from ganns.data.packed import format as pack_format
from ganns.data.packed.format import Index
from ganns.data.packed.local import SparseRows
from ganns.errors import DownloadError

CONNECTIONS = 8
LARGEST_PART = 256
"""Images of one request: after a lost connection, at most this number is fetched again."""
LARGEST_INDEX = 64 * 2**20

Verify = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(numbers int64 [N], rows uint8 [N, B]) -> which of them have the right bytes, bool [N]."""


class ShardSlice(NamedTuple):
    """Consecutive images of one shard: the first, and one behind the last, counted in the whole set."""

    shard: int
    start: int
    end: int


def fetch_index(url: str, timeouts: Timeouts) -> bytes:
    """Return the content of a pack's index.json.

    Raises:
        DownloadError: if it cannot be fetched.
    """
    check_address(url)
    address = f"{url.rstrip('/')}/{pack_format.INDEX}"
    with open_client(timeouts) as client:
        return patiently(lambda: b"".join(pieces(client, address, LARGEST_INDEX)), address, timeouts)


def fetch_digests(url: str, index: Index, folder: Path, timeouts: Timeouts) -> bytes:
    """Return the content of a pack's digests.bin; fetch it once per machine."""
    size = index.num_images * pack_format.DIGEST_BYTES
    address, target = f"{url.rstrip('/')}/{pack_format.DIGESTS}", folder / pack_format.DIGESTS
    return _fetched(address, target, size, index.digests, timeouts)


def fetch_attributes(url: str, index: Index, folder: Path, timeouts: Timeouts) -> bytes:
    """Return the content of a pack's attributes.bin; fetch it once per machine."""
    size = index.num_images * len(index.attributes)
    address, target = f"{url.rstrip('/')}/{pack_format.ATTRIBUTES}", folder / pack_format.ATTRIBUTES
    return _fetched(address, target, size, index.attributes_sum, timeouts)


def _fetched(address: str, target: Path, size: int, sha256: str, timeouts: Timeouts) -> bytes:
    if target.exists() and hashlib.sha256(target.read_bytes()).hexdigest() != sha256:
        target.unlink()  # damaged by a power cut
    return download(address, target, size=size, sha256=sha256, timeouts=timeouts).read_bytes()


class WebPlace:
    """The images at an address, and this machine's copies of them."""

    def __init__(self, url: str, index: Index, verify: Verify, folder: Path, timeouts: Timeouts) -> None:
        """Keep the address; images are fetched when they are needed. `folder` is this machine's cache."""
        self.where = shown(url)
        self._url, self._index, self._verify, self._timeouts = url.rstrip("/"), index, verify, timeouts
        self.cache = SparseRows(folder, index.num_images, index.row_bytes)
        self._client = open_client(timeouts)
        weakref.finalize(self, self._client.close)
        self._knows_ranges = False  # once this is true, requests may run in parallel

    def read(self, numbers: np.ndarray) -> np.ndarray:
        """Return images, uint8 [N, row_bytes]; fetch missing ones first.

        Raises:
            DownloadError: if one cannot be fetched, or does not match the index.
        """
        rows = self.cache.read(numbers)
        if self._sound(numbers, rows).all():
            return rows
        with self.cache.lock:  # another worker of this machine may be fetching the same ones
            rows = self.cache.read(numbers)
            if not (sound := self._sound(numbers, rows)).all():
                self._fetch(np.unique(numbers[~sound]))
                rows = self.cache.read(numbers)
        return rows

    def check_sizes(self) -> None:
        """Ask the server for the size of each shard.

        Raises:
            DownloadError: if one is missing, or has another size.
        """
        for shard in range(len(self._index.shards)):
            address, size = f"{self._url}/{pack_format.shard_name(shard)}", self._index.size_of(shard)

            def attempt(address: str = address) -> str:
                response = self._client.head(address)
                check_status(response, address)
                return str(response.headers.get("Content-Length", ""))

            found = patiently(attempt, address, self._timeouts)
            if found != str(size):
                raise DownloadError(f"{shown(address)} has {found or 'an unknown number of'} bytes, and not {size:,}.")

    def _sound(self, numbers: np.ndarray, rows: np.ndarray) -> np.ndarray:
        there = self.cache.has(numbers)
        there[there] = self._verify(numbers[there], rows[there])
        return there

    def _fetch(self, numbers: np.ndarray) -> None:
        """Fetch these images, sorted and each once, into the cache."""
        try:
            parts = list(cut(numbers, self._index.shard_images))
            while parts and not self._knows_ranges:
                done = self._fetch_part(parts[0])  # alone: it may bring the whole shard, so the other parts too
                parts = [part for part in parts[1:] if part.shard != done.shard or part.end > done.end]
            with ThreadPoolExecutor(CONNECTIONS) as pool:
                list(pool.map(self._fetch_part, parts))
        except OSError as error:
            raise DownloadError(f"Images from {self.where} cannot be kept ({error.strerror}); make room.") from error

    def _fetch_part(self, part: ShardSlice) -> ShardSlice:
        """Fetch a part; return it, or the whole shard if the server supports no ranges."""
        address = f"{self._url}/{pack_format.shard_name(part.shard)}"
        first, rows = patiently(lambda: self._attempt(address, part), address, self._timeouts)
        self.cache.write(first, rows)
        return ShardSlice(part.shard, first, first + len(rows))

    def _attempt(self, address: str, part: ShardSlice) -> tuple[int, np.ndarray]:
        row_bytes, base = self._index.row_bytes, part.shard * self._index.shard_images
        start, end = (part.start - base) * row_bytes, (part.end - base) * row_bytes
        response = self._request(address, start, end, self._index.size_of(part.shard))
        whole = response.status_code != 206
        if not whole and content_range(response)[:2] != (start, end):
            raise Trouble("the server sent another range than it was asked for")
        self._knows_ranges = self._knows_ranges or not whole
        first = base if whole else part.start
        if len(response.content) % row_bytes or not response.content:
            raise Trouble(f"{len(response.content):,} bytes came, which is no number of whole images")
        rows = np.frombuffer(response.content, np.uint8).reshape(-1, row_bytes)
        numbers = np.arange(first, first + len(rows))
        if numbers[-1] >= self._index.num_images or not self._verify(numbers, rows).all():
            raise Trouble("the images are not those of the index: the pack was changed, or damaged on the way")
        return first, rows

    def _request(self, address: str, start: int, end: int, largest: int) -> httpx.Response:
        """Ask for bytes [start, end); read at most the whole shard, even if the server sends more."""
        with self._client.stream("GET", address, headers={"Range": f"bytes={start}-{end - 1}"}) as response:
            check_status(response, address)
            length = response.headers.get("Content-Length", "")
            if not length.isdigit() or int(length) > largest:
                raise Trouble(
                    f"the server sends {length or 'an unknown number of'} bytes, and {largest:,} are expected"
                )
            response.read()
        return response


def cut(numbers: np.ndarray, shard_images: int) -> Iterator[ShardSlice]:
    """Cut sorted numbers into parts to fetch: neighbours together, each part within one shard."""
    part: ShardSlice | None = None
    for number in map(int, numbers):
        shard = number // shard_images
        if part is not None and part.shard == shard and number == part.end < part.start + LARGEST_PART:
            part = ShardSlice(shard, part.start, number + 1)
            continue
        if part is not None:
            yield part
        part = ShardSlice(shard, number, number + 1)
    if part is not None:
        yield part
