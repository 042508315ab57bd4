"""One database for all tests of a file: each scenario of exercises 3 and 6 makes its tables anew."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from psycopg.conninfo import make_conninfo

from ganns.db.address import Address
from ganns.exercises.microscope.scratch import scratch_database


@pytest.fixture(scope="module")
def address(server: SimpleNamespace) -> Iterator[Address]:
    login = {key: getattr(server, key) for key in ("host", "port", "user", "password")}
    with scratch_database(Address(make_conninfo(**login, dbname=server.maintenance_dbname), "the tests")) as own:
        yield own
