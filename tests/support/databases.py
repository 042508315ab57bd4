"""Databases for the tests of the database: an empty one, and ports that are free."""

from __future__ import annotations

import atexit
import itertools
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from ganns.db.address import Address
from ganns.db.connect import Connection, connect
from ganns.db.migrate import migrate
from ganns.db.server.embedded import EmbeddedServer
from ganns.db.server.programs import hand_over
from tests.support.memory import in_memory

_numbers = itertools.count()
_cluster: list[Path] = []


def copy_cluster(data_dir: Path) -> None:
    """Copy a migrated cluster, which the first call makes, to `data_dir`: faster than making one."""
    if not _cluster:
        folder = Path(tempfile.mkdtemp(**in_memory()))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        with EmbeddedServer(folder / "pg") as server:
            with connect(server.address) as conn:
                migrate(conn)
            with connect(server.superuser_address) as conn:
                # A crash of the server loses nothing by it, only a crash of the machine would.
                conn.execute("ALTER SYSTEM SET fsync = off")
        _cluster.append(folder / "pg")
    subprocess.run(["cp", "-a", _cluster[0], data_dir], check=True)
    hand_over(data_dir)


@pytest.fixture
def empty(server: SimpleNamespace) -> Iterator[Address]:
    """Yield the address of a new database with nothing in it."""
    login = {"host": server.host, "port": server.port, "user": server.user, "password": server.password}
    name = sql.Identifier(f"ganns_empty_{os.getpid()}_{next(_numbers)}")
    with psycopg.connect(**login, dbname=server.maintenance_dbname, autocommit=True) as owner:
        # From template0: a clone of template1 fails while another process is connected to it.
        owner.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(name))
        try:
            yield Address(make_conninfo(**login, dbname=name.as_string().strip('"')), "the tests")
        finally:
            owner.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


@pytest.fixture
def empty_conn(empty: Address) -> Iterator[Connection]:
    """Yield an open connection to an empty database."""
    with connect(empty) as conn:
        yield conn


@pytest.fixture
def home() -> Iterator[Path]:
    """Yield a folder for an embedded server. Not in pytest's own, which each pytest that starts makes private again.

    As root it is another user who runs the server and must pass through the folders above it.
    """
    with tempfile.TemporaryDirectory(**in_memory(), ignore_cleanup_errors=True) as folder:
        yield Path(folder)
        if (Path(folder) / "pg").exists():
            EmbeddedServer(Path(folder) / "pg").stop()


@pytest.fixture
def data_dir(home: Path) -> Path:
    """Return where an embedded server goes; nothing is there yet."""
    return home / "pg"


@pytest.fixture
def cluster(data_dir: Path) -> Path:
    """Return where an embedded server was made already; it does not run."""
    copy_cluster(data_dir)
    return data_dir


@pytest.fixture
def unused_port() -> int:
    """Return a TCP port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
