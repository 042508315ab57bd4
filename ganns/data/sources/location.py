"""Where this machine's images lie: `data.path` of the run, unless the machine says otherwise.

A run's settings are the same for everybody, and a path seldom is. GANNS_DATA names the folder or zip of one machine
(for `packed` also the address of a web server that is nearer), and the fingerprint holds that the images are the run's.
"""

from __future__ import annotations

import os
from pathlib import Path

from ganns.config import CelebAData, ImageFolderData, PackedData
from ganns.data.http.address import is_url

LocatedData = ImageFolderData | CelebAData | PackedData
"""The settings of data sets that have a path."""


def named(data: LocatedData) -> tuple[str, str | None]:
    """Return (which setting says where the images are, what it says)."""
    here = os.environ.get("GANNS_DATA")
    if here and (isinstance(data, PackedData) or not is_url(here)):
        return "GANNS_DATA", here
    return "data.path", data.path


def local(data: LocatedData) -> Path | None:
    """Return the path that was named, or None; a web address is no path."""
    _, value = named(data)
    return Path(value).expanduser() if value and not is_url(value) else None
