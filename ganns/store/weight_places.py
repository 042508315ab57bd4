"""Fetch a version's weights from the first place that has the right bytes, and from the database last.

The database says by which digest to know the bytes (`ganns_api.weight_places`), so the places need not be trusted: a
place that has other bytes, none, or does not answer costs time, and the next one is asked. It then rests for a while.
The places, in this order: this machine's caching proxy (GANNS_WEIGHTS_CACHE), a content delivery network, the store.
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import httpx

from ganns.data.http.address import check_address, shown
from ganns.data.http.client import Timeouts, Trouble, open_client, pieces, reason_of
from ganns.db.connect import Connection
from ganns.db.pieces import LinkSpeed
from ganns.db.queries import execute
from ganns.errors import DownloadError
from ganns.utils.backoff import Rest

log = logging.getLogger(__name__)

CACHE_VARIABLE = "GANNS_WEIGHTS_CACHE"
"""The address of a caching proxy before the store or the content delivery network."""
TIMEOUTS = Timeouts(connect_s=3.0, silence_s=5.0)
"""Short: there is a next place."""
LEAST_BYTES_S, FIRST_S = 125_000, 10.0
"""Bytes a second that a place must send on average, after the first seconds; a home's link is faster than 1 Mbit/s."""


@dataclass(frozen=True)
class WeightPlaces:
    """The addresses of a version's weights outside the database, and their digest."""

    size_bytes: int
    digest: str  # as for weights from the database
    sha256: str  # in hexadecimal: nobody can make other bytes that have it
    addresses: list[str]


def find_places(conn: Connection, run_id: int, version: int) -> WeightPlaces | None:
    """Return where else a version's weights are; None if the database alone has them."""
    row = execute(conn, "api_weight_places", run_id=run_id, version=version).fetchone()
    return None if row is None else WeightPlaces(**row)


def through_cache(address: str, cache: str) -> str:
    """Return a caching proxy's address for what is at `address`: the same path and query on another host."""
    path = httpx.URL(address).raw_path.decode("ascii")
    return f"{cache.rstrip('/')}{path}"


@dataclass
class WebPlaces:
    """The places of one run's weights, as this worker knows them."""

    cache: str = field(default_factory=lambda: os.environ.get(CACHE_VARIABLE, ""))
    timeouts: Timeouts = TIMEOUTS
    rests: dict[str, Rest] = field(default_factory=dict)  # by scheme, host and port

    def __post_init__(self) -> None:
        """Open the client, which connects when it is used, and check the address of the proxy."""
        if self.cache:
            try:
                check_address(self.cache)
            except DownloadError as error:
                log.warning("%s is left out: %s", CACHE_VARIABLE, error)
                self.cache = ""
        self._client = open_client(self.timeouts)
        weakref.finalize(self, self._client.close)

    def fetch_version(
        self, use: Callable[[], AbstractContextManager[Connection]], run_id: int, version: int, speed: LinkSpeed
    ) -> tuple[bytearray, str] | None:
        """Fetch a version's weights, as `WeightsDownload` does from the database.

        Args:
            use: yields a connection.
            run_id: the run.
            version: its number.
            speed: takes the time of the download into account.

        Returns:
            (bytes, digest); None if no place has them, and the database must be asked.
        """
        with use() as conn:
            found = find_places(conn, run_id, version)
        begun = time.monotonic()
        if found is None or (data := self.fetch(found)) is None:
            return None
        speed.moved("down", len(data), time.monotonic() - begun)
        return data, found.digest

    def fetch(self, found: WeightPlaces) -> bytearray | None:
        """Return the weights from the first place that has them; None if none has."""
        addresses = list(found.addresses)
        if self.cache and addresses:
            addresses.insert(0, through_cache(addresses[0], self.cache))
        for address in addresses:
            place = _host_of(address)
            rest = self.rests.setdefault(place, Rest())
            if rest.is_on:
                continue
            try:
                data = self._get(address, found)
            except DownloadError as error:  # it does not have this blob, and may have the next one
                log.info("%s", error)
            except (Trouble, httpx.TransportError, httpx.TooManyRedirects, httpx.InvalidURL) as error:
                if rest.failed():
                    log.warning("no weights from %s: %s; trying the next place", place, reason_of(error))
            else:
                rest.worked()
                return data
        return None

    def _get(self, address: str, found: WeightPlaces) -> bytearray:
        """Get the weights from one address.

        Raises:
            Trouble, httpx.HTTPError, httpx.InvalidURL: this place does not work now.
            DownloadError: this place does not have these weights.
        """
        check_address(address)
        data, begun = bytearray(), time.monotonic()
        for piece in pieces(self._client, address, found.size_bytes):
            data += piece
            seconds = time.monotonic() - begun
            if seconds > FIRST_S and len(data) < LEAST_BYTES_S * seconds:
                raise Trouble(f"only {len(data):,} of {found.size_bytes:,} bytes came in {seconds:.0f} s")
        if hashlib.sha256(data).hexdigest() != found.sha256:
            raise Trouble("the bytes have another digest than the database says")
        return data


def _host_of(address: str) -> str:
    """Return scheme, host and port of an address, for messages too."""
    return "/".join(shown(address).split("/")[:3])
