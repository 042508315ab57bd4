"""The place of this machine's images: `data.path` of the run, unless GANNS_DATA is set.

A run's settings are the same on all machines, but paths differ. GANNS_DATA names the folder or zip of one machine (for
`packed` also the address of a nearer web server). The fingerprint check makes sure that they are the run's images.
"""

from __future__ import annotations

import os
from pathlib import Path

from ganns import paths
from ganns.config import CelebAData, ImageFolderData, PackedData
from ganns.data.http.address import is_url

LocatedData = ImageFolderData | CelebAData | PackedData
"""The settings of data sets that have a path."""


def named(data: LocatedData) -> tuple[str, str | None]:
    """Return (name of the setting for the images' place, its value)."""
    here = os.environ.get("GANNS_DATA")
    if here and (isinstance(data, PackedData) or not is_url(here)):
        return "GANNS_DATA", here
    return "data.path", data.path


def local(data: LocatedData) -> Path | None:
    """Return the path that was named, or None; a web address is no path."""
    setting, value = named(data)
    return paths.user_path(value, setting) if value and not is_url(value) else None
