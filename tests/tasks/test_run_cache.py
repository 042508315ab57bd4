"""A worker caches several runs: taking turns between them builds nothing again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ganns.coordinator.create import create_run
from tasks import run_cache as module
from tasks.run_cache import CachedRun, RunCache
from tests.support.fakes import tiny


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The runs that were built, in order."""
    runs: list[int] = []
    build = CachedRun.__init__

    def count(self: CachedRun, run_id: int, *rest) -> None:
        runs.append(run_id)
        build(self, run_id, *rest)

    monkeypatch.setattr(CachedRun, "__init__", count)
    return runs


@pytest.fixture
def runs(conn, database, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunCache]:
    """A run cache on a database with runs 1 to 4."""
    monkeypatch.setenv("GANNS_DATABASE_URL", database.conninfo)
    for seed in range(4):
        create_run(conn, tiny(seed=seed))
    made = RunCache()
    yield made
    made.close()


def test_switching_between_runs_builds_each_once(runs: RunCache, built: list[int]) -> None:
    kept = {run: runs.get(run) for run in (1, 2, 3)}
    for run in (1, 2, 3, 2, 1, 3):
        assert runs.get(run) is kept[run]
    assert built == [1, 2, 3]


def test_the_one_that_was_not_used_for_longest_goes(
    runs: RunCache, built: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_RUNS", 2)
    for run in (1, 2, 1, 3, 1, 2):
        assert runs.get(run).run_id == run
    assert built == [1, 2, 3, 2]


def test_their_memory_is_bounded(runs: RunCache, built: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    size = runs.get(1).size_bytes
    assert size > 10_000  # two small networks
    monkeypatch.setattr(module, "MAX_BYTES", 2 * size)
    for run in (2, 3, 2, 3, 1):
        runs.get(run)
    assert built == [1, 2, 3, 1]
