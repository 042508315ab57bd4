"""The database does not grow with the number of rounds."""

from __future__ import annotations

import pytest

from ganns.config import StopConfig
from ganns.coordinator import cleanup
from tests.support.fakes import tiny
from tests.support.helpers import wait_until

BLOBS = "SELECT sum(pg_total_relation_size('ganns.' || name)) AS num FROM unnest(%s::text[]) AS name"
TABLES = ["weights", "result_parts", "results", "units", "checkpoints"]


@pytest.mark.long
def test_five_hundred_rounds_take_no_more_room_than_a_hundred(coordinate, join, monkeypatch):
    monkeypatch.setattr(cleanup, "VACUUM_BYTES", 1 << 20)  # as a larger model would reach it every few rounds
    coordinator, worker = coordinate(tiny(stop=StopConfig(rounds=500))), join()
    sizes = {}

    def turn() -> bool:
        worker.work()
        done = len(coordinator.reports) // 100 * 100
        if done not in sizes:
            sizes[done] = int(worker.one(BLOBS, TABLES)["num"])
        return not coordinator.thread.is_alive()

    wait_until(turn, timeout_s=240, what="500 rounds")
    coordinator.join()
    assert set(sizes) >= {100, 200, 300, 400}
    assert max(size for done, size in sizes.items() if done > 100) < 1.5 * sizes[100]
    jobs = worker.one("SELECT count(*) AS num FROM procrastinate_jobs")["num"]
    assert jobs <= 2 * (cleanup.LATE_ROUNDS + 2)
