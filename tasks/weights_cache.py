"""The published weights of one run that a worker has, and the way to those of another version (`codec.down=chain`).

A version is reached by links from the weights that are here, or fetched whole: whichever is fewer bytes. What is here
was always compared with the digest that the database has of it. A link that is not there, or leads elsewhere, costs
only the whole version's bytes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager

from ganns.db.connect import Connection
from ganns.db.pieces import LinkSpeed, resumed
from ganns.errors import PayloadError, WeightsMissing
from ganns.store import worker_api
from ganns.store.downloads import Download
from ganns.store.weight_places import WebPlaces
from ganns.store.worker_api import WeightsDownload
from ganns.training.chain import Published, Tensors, follow, path
from ganns.training.serialization import unpack

log = logging.getLogger(__name__)
Use = Callable[[], AbstractContextManager[Connection]]


def download(use: Use, found: Download, speed: LinkSpeed) -> tuple[bytes, str]:
    """Fetch weights or a link over connections that `use` yields; return the bytes, and the digest of the weights.

    Raises:
        WeightsMissing: if a part of them is not there.
    """
    seconds = resumed(use, found)
    speed.moved("down", found.done, seconds)
    return found.result()


def download_if_there(use: Use, found: Download, speed: LinkSpeed) -> tuple[bytes, str] | None:
    """Fetch what may be gone, as `download` does; None if it is."""
    try:
        return download(use, found, speed)
    except WeightsMissing:
        return None


def fetch_whole(
    use: Use, run_id: int, version: int, speed: LinkSpeed, places: WebPlaces | None = None
) -> tuple[bytes | bytearray, str]:
    """Fetch a version's weights, from another place if it has them, else from the database; see `download`."""
    if places is not None and (found := places.fetch_version(use, run_id, version, speed)) is not None:
        return found
    return download(use, WeightsDownload(run_id, version, speed.down), speed)


class WeightsCache:
    """The weights of one run with a chain."""

    def __init__(self, run_id: int, places: WebPlaces | None = None) -> None:
        """Begin with nothing; `places` may have whole versions, but no links."""
        self.run_id, self.places = run_id, places
        self.weights: Tensors = {}
        self.digest: str | None = None  # of `weights`; None: there are none

    def fetch(self, use: Use, version: int, speed: LinkSpeed) -> None:
        """Make `weights` those of a version.

        Raises:
            WeightsMissing: if they are not there; the coordinator uploads them again within a second or two.
        """
        with use() as conn:
            versions = worker_api.list_published(conn, self.run_id, version)
        links = path(self.digest, versions)
        try:
            for one in links or ():
                self._follow(use, one, speed)
        except (PayloadError, WeightsMissing) as error:
            log.info("the link to version %s of run %s is not used: %s", version, self.run_id, error)
            links = None
        if links is None:
            data, found = fetch_whole(use, self.run_id, version, speed, self.places)
            self.weights, self.digest = unpack(data, found), found

    def _follow(self, use: Use, one: Published, speed: LinkSpeed) -> None:
        data, end = download(use, WeightsDownload(self.run_id, one.version, speed.down, "api_link"), speed)
        if end != one.digest:
            raise WeightsMissing  # the version was published anew meanwhile
        self.weights, self.digest = follow(self.weights, data, end), end
