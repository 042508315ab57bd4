"""Stored bytes on their way to this machine, in ranges: over any link, and after a cut from the first missing one."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping

from ganns.db.connect import Connection
from ganns.db.pieces import LARGEST_BYTES, Pace, Row, Value, pipelined
from ganns.errors import WeightsMissing


class Download:
    """The weights of something, or a change of weights; see `ganns.db.pieces`."""

    def __init__(self, name: str, key: Mapping[str, Value], pace: Pace | None = None) -> None:
        """Fetch nothing yet.

        Args:
            name: a query that returns (size of all, digest of the weights, bytes) of a range `start`, `length` within
                one stored chunk, and no row if it is not there.
            key: its other parameters.
            pace: of this link.
        """
        self.name, self._key, self._pace = name, dict(key), pace or Pace()
        self.digest = ""  # known after the first range
        self.done = 0  # bytes that have arrived
        self._pieces: list[bytes] = []
        self._size: int | None = None
        self._was_begun = False

    def run(self, conn: Connection) -> None:
        """Fetch what is missing.

        Raises:
            WeightsMissing: if a part is not there, or belongs to other weights than the parts before.
        """
        self._pace.begin(again=self._was_begun)
        self._was_begun = True
        starts, is_missing = deque[int](), False

        def requests() -> Iterator[dict[str, Value]]:
            at = self.done
            # The first ranges are asked for before the size is known.
            while not is_missing and (self._size is None or at < self._size):
                length = min(self._pace.size, LARGEST_BYTES - at % LARGEST_BYTES)  # not beyond a stored chunk's end
                starts.append(at)
                yield self._key | {"start": at, "length": length}
                at += length

        for row, seconds in pipelined(conn, self.name, requests()):
            start = starts.popleft()
            if not is_missing and (self._size is None or start < self._size):
                is_missing = not self._take(row, seconds)
        if is_missing:
            self._pieces, self._size, self.done = [], None, 0
            raise WeightsMissing

    def _take(self, row: Row | None, seconds: float) -> bool:
        """Add the next range's bytes; return False if they are not there."""
        if row is None:
            return False
        size, digest, data = (column or b"" for column in row)
        if self._size is None:
            self._size, self.digest = int.from_bytes(size, "big"), digest.decode()
        if digest.decode() != self.digest or not data:  # the version was published anew, or has less bytes
            return False
        self._pieces.append(data)
        self.done += len(data)
        self._pace.took(len(data), seconds)
        return True

    def result(self) -> tuple[bytes, str]:
        """Return all bytes, and the digest of the weights."""
        return b"".join(self._pieces), self.digest
