"""The database of coordinator-side commands: the one that the environment names, else the embedded one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ganns import resources
from ganns.db.address import Address, resolve
from ganns.db.connect import connect
from ganns.db.embedded import EmbeddedServer
from ganns.db.migrate import migrate


@contextmanager
def coordinator_database() -> Iterator[Address]:
    """Yield the address; the embedded server is started and brought up to date if it is the one.

    Somebody else's server is never changed without being asked: there, `ganns db migrate` is a step of its own.
    """
    address = resolve()
    if address is not None:
        yield address
        return
    with EmbeddedServer(resources.home() / "pg") as server:
        with connect(server.address) as conn:
            migrate(conn)
        yield server.address
