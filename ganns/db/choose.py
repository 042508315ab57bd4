"""The database of coordinator-side commands: the one that the environment names, else the embedded one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ganns.db.address import PG_VARIABLES, URL_VARIABLE, Address, resolve
from ganns.db.connect import connect
from ganns.db.migrate import migrate
from ganns.db.server.embedded import embedded_server
from ganns.errors import NoDatabaseAddress


@contextmanager
def coordinator_database() -> Iterator[Address]:
    """Yield the address; the embedded server is started and brought up to date if it is the one.

    Somebody else's server is never changed without being asked: there, `ganns db migrate` is a step of its own.
    """
    with any_database() as address:
        if resolve() is None:
            with connect(address) as conn:
                migrate(conn)
        yield address


@contextmanager
def any_database(*, create: bool = True) -> Iterator[Address]:
    """Yield the address, whatever is in the database; the embedded server is started if it is the one.

    Args:
        create: whether an embedded server may be created.

    Raises:
        NoDatabaseAddress: if there is none, and none may be created.
    """
    address = resolve()
    if address is not None:
        yield address
        return
    server = embedded_server()
    if not create and not server.exists():
        raise NoDatabaseAddress(
            f"There is no database yet: neither {URL_VARIABLE} nor {', '.join(PG_VARIABLES)} is set, and "
            f"{server.data_dir} is empty. `ganns db init` creates one there."
        )
    with server:
        yield server.address
