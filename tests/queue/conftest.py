"""The environment of callers that give no connection."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ganns.db.address import Address
from ganns.queue import connection


@pytest.fixture(autouse=True)
def queue_database(database: Address, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let callers that give no connection find this test's database."""
    monkeypatch.setenv("GANNS_DATABASE_URL", database.conninfo)
    yield
    connection.close()
