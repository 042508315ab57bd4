"""Fetch one file: resume after a stop, check it, and give it its name only when it is complete.

`NAME.partial` holds the bytes received so far; `NAME.partial.json` names the version of the file that they belong to.
The request for the rest is a conditional range request (RFC 9110): with `If-Range`, a server sends the whole file if
it has changed. Otherwise we could join the start of the old file and the end of the new one.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from ganns.data.http.address import check_address, shown
from ganns.data.http.client import Timeouts, open_client, patiently
from ganns.data.http.transfer import OnProgress, Transfer
from ganns.errors import DownloadError
from ganns.utils.locks import one_at_a_time

log = logging.getLogger(__name__)


def download(
    url: str,
    target: Path,
    *,
    size: int | None = None,
    sha256: str | None = None,
    headers: dict[str, str] | None = None,
    timeouts: Timeouts | None = None,
    on_progress: OnProgress = lambda done, total: None,
) -> Path:
    """Fetch `url` into the file `target` and return it; a file that is there already is checked and kept.

    Args:
        url: http or https; redirects are followed.
        target: the file; if several processes or threads ask for it, one fetches it.
        size: the file's length in bytes, if it is known beforehand.
        sha256: its checksum in hexadecimal, if it is known beforehand.
        headers: sent along, such as an authorisation (a redirect to another host does not get it).
        timeouts: how long to wait and how often to try.
        on_progress: called with each piece.

    Raises:
        DownloadError: it cannot be fetched, is not the expected file, or does not fit on the disk.
    """
    check_address(url)
    if target.is_dir():
        raise DownloadError(f"{target} is a folder: give the name of a file in it.")
    transfer = Transfer(url, target, size, sha256.lower() if sha256 else None, on_progress)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with one_at_a_time(target, lambda: log.warning("%s is being fetched already; waiting for it", target)):
            if target.exists():
                transfer.check(target)
            else:
                _fetch(transfer, timeouts or Timeouts(), headers)
    except (FileExistsError, NotADirectoryError) as error:
        raise DownloadError(f"{target} cannot be written: {target.parent} is not a folder; choose another.") from error
    except OSError as error:
        raise DownloadError(f"{target} cannot be written ({error.strerror}); make room, or choose another.") from error
    return target


def _fetch(transfer: Transfer, timeouts: Timeouts, headers: dict[str, str] | None) -> None:
    """Fetch, check and rename. If the pieces do not fit together, delete them and fetch all again, once."""
    advice = "The received part is kept: the same command continues from there."
    with open_client(timeouts, headers) as client:
        for second in (False, True):
            patiently(lambda: transfer.attempt(client), transfer.url, timeouts, transfer.num_bytes, advice)
            try:
                transfer.check(transfer.partial)
                break
            except DownloadError:
                transfer.discard()
                if second or not transfer.joined:
                    raise
                log.warning("%s: the pieces do not make the file; fetching it anew", shown(transfer.url))
    os.replace(transfer.partial, transfer.target)
    transfer.note.unlink(missing_ok=True)
