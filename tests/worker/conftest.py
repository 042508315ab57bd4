"""A server of the fault tests' own, and a class on it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.memory import in_memory
from tests.worker.classroom import Classroom, Server


@pytest.fixture
def own_server() -> Iterator[Server]:
    """Yield a server that the test may stop and kill."""
    with tempfile.TemporaryDirectory(**in_memory(), ignore_cleanup_errors=True) as folder:
        server = Server(Path(folder))
        yield server
        server.embedded.stop()


@pytest.fixture
def classroom(own_server: Server, tmp_path: Path) -> Iterator[Classroom]:
    """Yield a class without workers."""
    room = Classroom(own_server, tmp_path)
    yield room
    room.close()
    if room.coordinators:
        room.check_ledger()
