"""The transfer of one file: the bytes received, the file version that they belong to, and the final check."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import httpx

from ganns.data.http.address import shown
from ganns.data.http.client import Trouble, check_status, content_range, validator_of
from ganns.errors import DownloadError

SPARE_BYTES = 64 * 2**20
"""Disk space that a download leaves free."""

OnProgress = Callable[[int, int | None], None]
"""Told (bytes so far, bytes in all if that is known)."""


def sha256_of(path: Path) -> str:
    """Return a file's checksum in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Transfer:
    """The transfer of one file."""

    def __init__(self, url: str, target: Path, size: int | None, sha256: str | None, on_progress: OnProgress) -> None:
        """Keep the arguments, which are those of `download`; `attempt` fetches."""
        self.url, self.target = url, target
        self.size, self.sha256, self.on_progress = size, sha256, on_progress
        self.partial = target.with_name(f"{target.name}.partial")
        self.note = target.with_name(f"{target.name}.partial.json")
        self.joined = False  # whether the file was put together from several answers

    def num_bytes(self) -> int:
        """Return the bytes received."""
        return self.partial.stat().st_size if self.partial.exists() else 0

    def discard(self) -> None:
        """Start again."""
        self.partial.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)

    def attempt(self, client: httpx.Client) -> None:
        """Request the missing bytes, and append them.

        Raises:
            Trouble: bytes are missing, or do not belong to the kept ones.
            DownloadError: it is not the expected file.
        """
        start, known = self._resumable()
        if start and known.get("total") == start:
            return  # all bytes were here; only the renaming was missing
        headers = {"Range": f"bytes={start}-"} if start else {}
        if start and known.get("validator"):
            headers["If-Range"] = str(known["validator"])
        with client.stream("GET", self.url, headers=headers) as response:
            if response.status_code == 416:
                self.discard()
                raise Trouble("the server's file is shorter than the part that was fetched before")
            check_status(response, self.url)
            start, total = self._begin(response, start, known.get("validator"))
            self.joined = self.joined or start > 0
            with self.partial.open("ab" if start else "wb") as file:
                for piece in response.iter_raw():
                    file.write(piece)
                    start += len(piece)
                    self.on_progress(start, total)
                file.flush()
                os.fsync(file.fileno())
        if total is not None and start != total:
            raise Trouble(f"{start:,} of {total:,} bytes came")

    def _resumable(self) -> tuple[int, dict[str, str | int | None]]:
        """Return (number of kept bytes, their file version); no bytes if we could not detect another version."""
        start, known = self.num_bytes(), _read_note(self.note)
        if known.get("url") != _digest(self.url) or not (known.get("validator") or self.sha256):
            return 0, {}
        return start, known

    def _begin(self, response: httpx.Response, start: int, validator: object) -> tuple[int, int | None]:
        """Read an answer's headers; return (its bytes' offset, the file's length), and note their file version."""
        now = validator_of(response)
        if response.status_code == 206:
            first, _, total = content_range(response)
            if first != start or (validator and now and now != validator):
                self.discard()
                raise Trouble("the file has changed meanwhile")
        else:  # the whole file: the first time, after a change, or if the server supports no ranges
            self.discard()  # before the new note: old bytes must not count as part of the new version
            length = response.headers.get("Content-Length")
            start, total = 0, int(length) if length else self.size
            if total is None and not self.sha256 and "Transfer-Encoding" not in response.headers:
                raise DownloadError(
                    f"{shown(self.url)}: the server does not say how long the file is, so a part of it would look "
                    "whole; give its checksum with --sha256."
                )
        if None not in (self.size, total) and total != self.size:
            self.discard()
            raise DownloadError(
                f"{shown(self.url)} has {total:,} bytes, and {self.size:,} are expected: it is another."
            )
        self._check_space((total or 0) - start)
        note = {"url": _digest(self.url), "validator": now or validator, "total": total}
        self.note.write_text(json.dumps(note))
        return start, total

    def _check_space(self, num_bytes: int) -> None:
        free = shutil.disk_usage(self.target.parent).free
        if free < num_bytes + SPARE_BYTES:
            raise DownloadError(
                f"{self.target.parent} has {free / 1e6:,.0f} MB free, and {num_bytes / 1e6:,.0f} MB are still to come: "
                "make room, or choose another folder."
            )

    def check(self, path: Path) -> None:
        """Check size and checksum of a whole file, as far as they are known.

        Raises:
            DownloadError: it is another file.
        """
        where = path if path == self.target else shown(self.url)
        then = "Delete it, or choose another name." if path == self.target else "Nothing was kept: check the address."
        found = path.stat().st_size
        if self.size is not None and found != self.size:
            raise DownloadError(f"{where} has {found:,} bytes, and {self.size:,} are expected. {then}")
        if self.sha256 and (digest := sha256_of(path)) != self.sha256:
            raise DownloadError(f"{where} has the SHA-256 {digest}, and {self.sha256} is expected. {then}")


def _read_note(path: Path) -> dict[str, str | int | None]:
    """Return the note; an empty one if it is missing or a crash cut it."""
    try:
        note = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}


def _digest(url: str) -> str:
    """Return a digest that differs between addresses; it hides a password or signature."""
    return hashlib.sha256(url.encode()).hexdigest()
