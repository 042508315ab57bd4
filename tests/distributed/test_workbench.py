"""A worker keeps the benches of several runs: taking turns between them builds nothing anew."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ganns import workbench as module
from ganns.coordinator.run import create_run
from ganns.workbench import Bench, Workbench
from tests.distributed.fakes import tiny


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The runs whose benches were built, in order."""
    runs: list[int] = []
    build = Bench.__init__

    def count(self: Bench, run_id: int, *rest) -> None:
        runs.append(run_id)
        build(self, run_id, *rest)

    monkeypatch.setattr(Bench, "__init__", count)
    return runs


@pytest.fixture
def bench(conn, database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workbench]:
    """A workbench on a database with runs 1 to 4."""
    monkeypatch.setenv("GANNS_DATABASE_URL", database.conninfo)
    for seed in range(4):
        create_run(conn, tiny(seed=seed))
    made = Workbench()
    yield made
    made._link.close()


def test_switching_between_runs_builds_each_once(bench: Workbench, built: list[int]) -> None:
    kept = {run: bench.bench(run) for run in (1, 2, 3)}
    for run in (1, 2, 3, 2, 1, 3):
        assert bench.bench(run) is kept[run]
    assert built == [1, 2, 3]


def test_the_one_that_was_not_used_for_longest_goes(
    bench: Workbench, built: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "NUM_BENCHES", 2)
    for run in (1, 2, 1, 3, 1, 2):
        assert bench.bench(run).run_id == run
    assert built == [1, 2, 3, 2]


def test_their_memory_is_bounded(bench: Workbench, built: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    size = bench.bench(1).size_bytes
    assert size > 10_000  # two small networks
    monkeypatch.setattr(module, "BENCHES_BYTES", 2 * size)
    for run in (2, 3, 2, 3, 1):
        bench.bench(run)
    assert built == [1, 2, 3, 1]
