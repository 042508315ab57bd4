"""`data=packed`: images of a pack (ganns/data/packed/format.py), from this machine if they are here, else from the web.

Several places may have an image. The reader asks them one after the other, and compares each answer with the image's
digest. So every machine trains on the same bytes: one that has the pack's folder, one that has the images of its
source, and one that has no images yet.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from ganns.config import CelebAData, ImageFolderData, PackedData
from ganns.data.attributes import Attributes
from ganns.data.decoded_cache import PROTOCOL, decoded, path_of
from ganns.data.http.address import is_url, shown
from ganns.data.http.client import Timeouts
from ganns.data.packed import format as pack_format
from ganns.data.packed.format import Index
from ganns.data.packed.local import DecodedPlace, FolderPlace, Place
from ganns.data.packed.remote import WebPlace, fetch_attributes, fetch_digests, fetch_index
from ganns.data.sources.location import local, named
from ganns.data.sources.source import SOURCES, Origin
from ganns.errors import DataError

log = logging.getLogger(__name__)


class Pack:
    """An index, its digests, and the places that have its images."""

    def __init__(self, data: PackedData, root: Path, timeouts: Timeouts | None = None) -> None:
        """Find the pack that `data` names; an index and digests from the web are fetched.

        Args:
            data: `path` or GANNS_DATA may be the pack's folder, or the images of its source.
            root: the folder of caches.
            timeouts: with the web server.

        Raises:
            DataError: if there is none.
        """
        self._timeouts = timeouts = timeouts or Timeouts()
        here, self.url = local(data), address(data)
        folder = here if here and (here / pack_format.INDEX).is_file() else None
        if folder is None and self.url is None:
            raise DataError(
                "{}={} is no packed data set, and data.url is not set: ".format(*named(data))
                + "make a pack with `ganns data pack`, or give the address of one: data.url=http://host/faces"
            )
        self.where = str(folder) if folder else shown(str(self.url))
        self.folder = folder
        content = (folder / pack_format.INDEX).read_bytes() if folder else fetch_index(str(self.url), timeouts)
        self.index, self.fingerprint = Index.from_bytes(content, self.where), pack_format.fingerprint(content)
        self.cache_folder = root / f"packed-{self.fingerprint}"
        if folder:
            digests = (folder / pack_format.DIGESTS).read_bytes()
            if hashlib.sha256(digests).hexdigest() != self.index.digests:
                raise DataError(
                    f"{folder / pack_format.DIGESTS} is not the file that the index names; copy the pack again."
                )
        else:
            digests = fetch_digests(str(self.url), self.index, self.cache_folder, timeouts)
        self._digests = np.frombuffer(digests, np.uint8).reshape(-1, pack_format.DIGEST_BYTES)
        self.places = list(self._places(here, root, timeouts))

    def _places(self, here: Path | None, root: Path, timeouts: Timeouts) -> Iterator[Place]:
        """Yield the places that may have images, the nearest first."""
        index = self.index
        if self.folder:
            yield FolderPlace(self.folder, index)
        elif here and here.exists():
            self._decode(here, root)
        cached = path_of(index.source, index.source_fingerprint, index.image_size, root)
        if index.protocol == PROTOCOL and index.source in SOURCES and cached.exists():
            yield DecodedPlace(cached, index)
        if self.url:
            yield WebPlace(self.url, index, self.verify, self.cache_folder, timeouts)

    def _decode(self, here: Path, root: Path) -> None:
        """Decode the images of the pack's source, if they are here."""
        index = self.index
        if index.source not in ("celeba", "image_folder") or index.protocol != PROTOCOL:
            return
        folder = ImageFolderData(path=str(here), holdout=index.num_images - index.num_train)
        try:
            source = SOURCES[index.source](folder if index.source == "image_folder" else CelebAData(path=str(here)))
            if source.fingerprint == index.source_fingerprint:
                decoded(source, index.image_size, root)
                return
            reason = "they have another fingerprint"
        except DataError as error:
            reason = str(error)
        log.warning("%s does not have the images that the pack was made of: %s", here, reason)

    def verify(self, numbers: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Tell for each image whether these are its bytes, bool [N]."""
        sound: np.ndarray = (pack_format.digest_rows(rows) == self._digests[numbers]).all(axis=1)
        return sound

    def attributes(self) -> Attributes:
        """Read what the images show; from the web it is fetched once per machine.

        Raises:
            DataError: if the file is damaged.
        """
        index = self.index
        if self.folder:
            path = self.folder / pack_format.ATTRIBUTES
            content = path.read_bytes() if path.is_file() else b""
            if hashlib.sha256(content).hexdigest() != index.attributes_sum:
                raise DataError(f"{path} is not the file that the index names; copy the pack again.")
        else:
            content = fetch_attributes(str(self.url), index, self.cache_folder, self._timeouts)
        values = np.frombuffer(content, np.uint8).reshape(index.num_images, len(index.attributes))
        return Attributes(tuple(index.attributes), values)

    def read(self, numbers: np.ndarray) -> np.ndarray:
        """Return images, uint8 [N, row_bytes], from the first place that has the right bytes.

        Raises:
            DataError: if none has.
        """
        rows = np.empty((len(numbers), self.index.row_bytes), np.uint8)
        wanted = np.arange(len(numbers))
        for place in self.places:
            found = place.read(numbers[wanted])
            sound = self.verify(numbers[wanted], found)
            rows[wanted[sound]] = found[sound]
            wanted = wanted[~sound]
            if not len(wanted):
                return rows
        raise DataError(
            f"Image {int(numbers[wanted[0]])} of the pack in {self.where} is damaged; copy the pack again, or give "
            "its address, data.url, to fetch the damaged part again."
        )


class PackedPixels:
    """A pack's images as an array, uint8 [num, 3, S, S]; it reads only the requested ones."""

    def __init__(self, found: Pack) -> None:
        """Serve the images of `found`."""
        self.pack = found
        self._numbers = np.arange(found.index.num_images)

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, key: np.ndarray | slice) -> np.ndarray:
        size = self.pack.index.image_size
        return self.pack.read(self._numbers[key]).reshape(-1, 3, size, size)


def address(data: PackedData) -> str | None:
    """Return the pack's web address: GANNS_DATA if it is an address, else `data.url`."""
    _, value = named(data)
    return value if value and is_url(value) else data.url


def open_pack(data: PackedData, size: int, root: Path) -> tuple[PackedPixels, Origin, Callable[[], Attributes] | None]:
    """Return a pack's images, their description, and a function that reads their attributes, if it has any.

    Raises:
        DataError: if there is none, or it has another image size.
    """
    found = Pack(data, root)
    index = found.index
    if index.image_size != size:
        raise DataError(
            f"The pack in {found.where} has images of {index.image_size} pixels, and model.image_size is {size}: "
            f"choose model=dcgan{index.image_size}, or make another pack."
        )
    how = f"this run's pack was another; ask for it, and set GANNS_DATA or data.url to it (here: {found.where})"
    origin = Origin("packed", index.num_train, found.fingerprint, how)
    return PackedPixels(found), origin, found.attributes if index.attributes else None
