"""A database for one program's scenes, in the PostgreSQL of the exercises; never in the class's."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil
import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from ganns import paths
from ganns.db.address import Address
from ganns.db.connect import Connection, connect
from ganns.db.server.embedded import EmbeddedServer

PREFIX = "microscope_"
_numbers = itertools.count()


@contextmanager
def scratch_database(address: Address | None = None) -> Iterator[Address]:
    """Yield the address of a new, empty database, and drop it afterwards.

    Args:
        address: of a server whose owner may create databases; without it, the exercises' own server is started.
    """
    if address is None:
        with (
            EmbeddedServer(paths.home() / "exercises" / "pg") as server,
            # Only a superuser may set when the server looks for a deadlock. Nothing of a class is on this server.
            scratch_database(server.superuser_address) as own,
        ):
            yield own
        return
    name = f"{PREFIX}{os.getpid()}_{next(_numbers)}"
    with connect(address, application="ganns microscope") as conn:
        _drop_forgotten(conn)
        conn.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
        try:
            yield Address(make_conninfo(address.conninfo, dbname=name), address.source)
        finally:
            _drop(conn, name)


def _drop_forgotten(conn: Connection) -> None:
    """Drop the databases of programs that were killed."""
    names = conn.execute(sql.SQL("SELECT datname FROM pg_database")).fetchall()
    for (name,) in names:
        found = re.fullmatch(rf"{PREFIX}(\d+)_\d+", name)
        if found and not psutil.pid_exists(int(found[1])):
            with suppress(psycopg.Error):  # another program drops it at this moment
                _drop(conn, name)


def _drop(conn: Connection, name: str) -> None:
    conn.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
