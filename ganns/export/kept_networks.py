"""The networks of kept versions, a few of them in memory: a class asks about the same version again and again."""

from __future__ import annotations

from collections import OrderedDict

from ganns.config import from_dict
from ganns.db.connect import Connection
from ganns.errors import RunError
from ganns.export.shown_faces import Version
from ganns.store import runs, weights
from ganns.store.kept_versions import KeptVersions

MAX_LOADED = 3
"""Versions whose networks stay in memory: of 64x64 pixels, 26 MB each."""
Key = tuple[int, int, str]
"""A run, a version, and the digest of its state: a version that was undone may come again with other weights."""


def open_run(conn: Connection, run_id: int) -> KeptVersions:
    """Return the kept versions of a run.

    Raises:
        RunError: there is no such run.
    """
    run = runs.get_run(conn, run_id)
    return KeptVersions.of(conn, run, from_dict(run.config), passing=False)


def key_of(kept: KeptVersions, number: int) -> Key:
    """Return which state a version of the run is, also if it is not kept any more."""
    found = kept.digests().get(number)
    return kept.run.id, number, weights.state_digest(kept.conn, kept.run.id, number) or "" if found is None else found


class KeptNetworks:
    """The networks that were used last."""

    def __init__(self) -> None:
        """Keep the settings; networks are read when they are needed."""
        self._loaded: OrderedDict[Key, Version] = OrderedDict()

    def get(self, kept: KeptVersions, number: int) -> Version:
        """Return the networks of a version, from memory also if it is not kept any more.

        Raises:
            RunError: they are not kept.
        """
        key = key_of(kept, number)
        if key not in self._loaded:
            state = kept.load(number)
            if state is None:
                raise RunError(f"The weights of version {number:,} are not kept any more.")
            self._loaded[key] = Version.of(state)
            while len(self._loaded) > MAX_LOADED:
                self._loaded.popitem(last=False)
        self._loaded.move_to_end(key)
        return self._loaded[key]
