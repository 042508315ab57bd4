"""A worker caches several runs: taking turns between them builds nothing again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from ganns.coordinator.create import create_run
from ganns.db.connect import Connection
from ganns.store.weights import undo_versions
from ganns.training.serialization import pack
from ganns.training.state import TrainingState
from tasks import run_cache as module
from tasks.run_cache import CachedRun, RunCache
from tests.support.fakes import publish_weights, tiny


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


def test_a_version_that_was_undone_is_not_taken_for_its_successor(runs: RunCache, conn: Connection) -> None:
    """A round of a run that went back has a number that the worker knows, and other weights."""
    cached = runs.get(1)
    for generation, seed in enumerate((7, 8)):
        state = TrainingState(tiny(seed=seed))
        publish_weights(conn, 1, 3, generation, pack(state.weights()))
        cached.load_version(runs.connection, 3, runs.speed)
        for name, expected in state.networks["g"].named_parameters():
            torch.testing.assert_close(cached.computer.networks["g"].get_parameter(name), expected, rtol=0, atol=0)
        undo_versions(conn, 1, 2)
