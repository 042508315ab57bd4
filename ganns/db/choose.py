"""The database of commands that run beside the coordinator: the one that is named, else the embedded server's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from ganns.db.address import PG_VARIABLES, URL_VARIABLE, Address, resolve, told
from ganns.db.connect import Connection, connect
from ganns.db.migrate import migrate, require_current
from ganns.db.server.embedded import embedded_server
from ganns.errors import NoDatabaseAddress
from ganns.utils.console import say


@contextmanager
def coordinator_database() -> Iterator[Address]:
    """Yield the address. If it is the embedded server's, start that server and migrate its database.

    A server that the environment names is never changed without being asked: `ganns db migrate` does that.
    """
    with any_database() as address:
        if resolve() is None:
            with connect(address) as conn:
                migrate(conn, say=partial(say, err=True))
        yield address


@contextmanager
def coordinator_connection(application: str = "ganns") -> Iterator[Connection]:
    """Yield a connection to the `coordinator_database`, with this name in the server's lists.

    Raises:
        SchemaOutdated: if a migration is pending.
    """
    with coordinator_database() as address, connect(address, application=application) as conn:
        require_current(conn)
        yield conn


@contextmanager
def any_database(*, create: bool = True) -> Iterator[Address]:
    """Yield the address, also of an empty database. If it is the embedded server's, start that server.

    Args:
        create: create the embedded server if there is none.

    Raises:
        NoDatabaseAddress: if there is none, and `create` is False.
    """
    address = resolve()
    if address is not None:
        yield told(address)
        return
    server = embedded_server()
    if not create and not server.exists():
        raise NoDatabaseAddress(
            f"There is no database yet: neither {URL_VARIABLE} nor {', '.join(PG_VARIABLES)} is set, `ganns "
            f"join` was not used, and {server.data_dir} is empty. `ganns db init` creates one there."
        )
    with server:
        yield server.address
