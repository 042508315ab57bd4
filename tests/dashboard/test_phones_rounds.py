"""The coordinator of the phones, without a dashboard (Playwright and `asyncio.run` do not share a thread)."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import psycopg
import pytest

from ganns.dashboard.phones import coordinator as coordination
from ganns.dashboard.phones.coordinator import Coordinator
from ganns.dashboard.phones.messages import Hello, Result
from ganns.dashboard.phones.network import NUM_WEIGHTS
from ganns.db.address import Address
from ganns.db.connect import connect
from ganns.store import phones as store

GRADIENT = np.full(NUM_WEIGHTS, 0.01, "<f4")


def test_a_database_that_is_away_is_told_and_the_rounds_go_on(
    database: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    look, failures = store.look, iter([psycopg.OperationalError("gone"), psycopg.OperationalError("still gone")])

    def failing(conn: Any) -> Any:
        if (error := next(failures, None)) is not None:
            raise error
        return look(conn)

    monkeypatch.setattr(coordination, "POLL_S", 0.01)
    monkeypatch.setattr(store, "look", failing)

    async def live() -> None:
        one = Coordinator(database)
        await one.open()
        while not one.trouble:
            await asyncio.sleep(0.005)
        assert "does not answer" in one.trouble
        phone = await one.join(Hello("ada", ""))
        assert phone is not None
        while (work := await one.claim(phone)) is None:
            await asyncio.sleep(0.01)
        assert one.trouble == ""
        assert (work.held.round, len(work.weights)) == (0, 4 * NUM_WEIGHTS)
        assert await one.submit(phone, Result("", GRADIENT, 1.0, 1.0))
        while one.version < 1:
            await asyncio.sleep(0.01)
        await one.close()

    asyncio.run(live())
    assert next(failures, None) is None, "both failures happened"


def test_a_dashboard_that_is_started_again_goes_on_where_it_was(database: Address) -> None:
    async def one_round() -> tuple[int, bytes]:
        one = Coordinator(database)
        await one.open()
        phone = await one.join(Hello("ada", ""))
        assert phone is not None
        while (work := await one.claim(phone)) is None:
            await asyncio.sleep(0.01)
        before = work.held.round
        assert await one.submit(phone, Result("", GRADIENT, 1.0, 1.0))
        while one.version <= before:
            await asyncio.sleep(0.01)
        await one.leave(phone)
        await one.close()
        return one.version, one.state.weights.tobytes()

    first = asyncio.run(one_round())
    with connect(database) as conn:
        found = store.newest_version(conn, 1)
    assert found is not None
    assert (found.version, found.weights) == first == (1, found.weights)
    assert asyncio.run(one_round())[0] == 2
