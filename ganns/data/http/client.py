"""HTTP with retries: decide which errors to retry, how often, and which message to show at the end."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import httpx

from ganns.data.http.address import shown
from ganns.errors import DownloadError
from ganns.utils.backoff import backoff_s

log = logging.getLogger(__name__)
logging.getLogger("httpx").setLevel(logging.WARNING)  # at INFO it logs whole addresses, with their signatures
Result = TypeVar("Result")


@dataclass(frozen=True)
class Timeouts:
    """The longest waits for a server, and the number of attempts (a test waits less)."""

    connect_s: float = 15.0
    silence_s: float = 30.0  # without a byte, while one is expected
    attempts: int = 7  # in a row without new data
    pause_s: float = 0.5  # before the second attempt; doubles with each, up to
    longest_pause_s: float = 20.0


class Trouble(Exception):
    """An error that a later attempt may not have; `patiently` catches it."""


def open_client(timeouts: Timeouts, headers: dict[str, str] | None = None) -> httpx.Client:
    """Return a client that follows redirects and wants the bytes as they are.

    `identity`: if a server compresses the answer, its bytes and their count are not the file's.
    """
    return httpx.Client(
        timeout=httpx.Timeout(timeouts.silence_s, connect=timeouts.connect_s),
        follow_redirects=True,
        headers={"Accept-Encoding": "identity", **(headers or {})},
    )


def patiently(
    attempt: Callable[[], Result],
    url: str,
    timeouts: Timeouts,
    progress: Callable[[], int] = lambda: 0,
    advice: str = "Check the network and the address, and try again.",
) -> Result:
    """Call `attempt` until it succeeds; only attempts in a row that do not raise `progress()` count.

    The pause between two attempts doubles, and is drawn at random from its upper half. So not all machines of a class
    come back at the same moment after their server was away.

    Raises:
        DownloadError: the last error, or one that a further attempt cannot solve.
    """
    furthest, failures = progress(), 0
    while True:
        try:
            return attempt()
        except (httpx.UnsupportedProtocol, httpx.TooManyRedirects, httpx.InvalidURL) as error:
            raise DownloadError(f"{shown(url)} cannot be fetched: {error}. Check the address.") from error
        except (Trouble, httpx.TransportError) as error:
            failures += 1
            if progress() > furthest:
                furthest, failures = progress(), 1
            reason = reason_of(error)
            if failures >= timeouts.attempts:
                raise DownloadError(
                    f"{shown(url)} cannot be fetched: {reason}, and {failures} attempts brought nothing new. {advice}"
                ) from error
        log.warning("%s: %s; trying again", shown(url), reason)
        time.sleep(backoff_s(failures - 1, timeouts.pause_s, timeouts.longest_pause_s))


def check_status(response: httpx.Response, url: str) -> None:
    """Raise `Trouble` if a further attempt may help, else `DownloadError`.

    Raises:
        Trouble: the server, or something before it, is overloaded or restarting.
        DownloadError: the file does not exist, or we may not read it.
    """
    status = response.status_code
    if 200 <= status < 300:
        return
    if status in (408, 425, 429) or status >= 500:
        raise Trouble(f"the server answered {status}")
    if status in (404, 410):
        raise DownloadError(f"{shown(url)} does not exist (the server answered {status}); check the address.")
    if status in (401, 403):
        raise DownloadError(f"{shown(url)} is not public (the server answered {status}); ask its owner for access.")
    raise DownloadError(f"{shown(url)} cannot be fetched: the server answered {status}; check the address.")


def pieces(client: httpx.Client, url: str, largest: int) -> Iterator[bytes]:
    """Get a file and yield its bytes as they arrive.

    Raises:
        Trouble, httpx.TransportError: a further attempt may help.
        DownloadError: it does not exist, we may not read it, or it has more than `largest` bytes.
    """
    num_bytes = 0
    with client.stream("GET", url) as response:
        check_status(response, url)
        for piece in response.iter_raw():
            num_bytes += len(piece)
            if num_bytes > largest:
                raise DownloadError(f"{shown(url)} has more than the expected {largest:,} bytes; check the address.")
            yield piece


def content_range(response: httpx.Response) -> tuple[int, int, int | None]:
    """Return (first byte, end, the file's length if it is said) of a 206 answer.

    Raises:
        Trouble: if the header is missing or malformed.
    """
    header = response.headers.get("Content-Range", "")
    found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", header.strip())
    if found is None:
        raise Trouble(f"the server answered 206 with the range {header!r}")
    return int(found[1]), int(found[2]) + 1, None if found[3] == "*" else int(found[3])


def validator_of(response: httpx.Response) -> str | None:
    """Return this file version's name for `If-Range`: a strong ETag, or the time of its last change."""
    etag = str(response.headers.get("ETag", ""))
    if etag and not etag.startswith("W/"):  # a weak one promises the same meaning, not the same bytes
        return etag
    modified: str | None = response.headers.get("Last-Modified")
    return modified


def reason_of(error: Exception) -> str:
    """Return why a request failed, in words; an address in them has no password and no query."""
    if isinstance(error, httpx.TimeoutException):
        return "the server was silent for too long"
    if isinstance(error, httpx.ConnectError):
        return f"no connection ({error})"
    return str(error) or type(error).__name__
