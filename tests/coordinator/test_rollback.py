"""A model that breaks: the run goes back to the last good version, once, and nothing in the ledger becomes untrue."""

from __future__ import annotations

import pytest
import torch

from ganns.config import GradientStrategy, StopConfig
from ganns.coordinator import rollback
from ganns.coordinator.rollback import is_finite
from ganns.db.connect import connect
from ganns.errors import Diverged, ImplausibleResult
from ganns.store import evaluations, runs, weights
from ganns.training.state import Progress, TrainingState
from tests.coordinator.test_faults import finish_run
from tests.support.fakes import FakeWorker, break_step, publish_state, tiny
from tests.support.helpers import wait_until
from tests.worker.classroom import check_ledger

PIPELINES = pytest.mark.parametrize("pipeline", [False, True], ids=["one round", "pipeline"])


def strategy(pipeline):
    return GradientStrategy(unit_images=8, micro_batch=8, pipeline=pipeline)


class Breaking(FakeWorker):
    """A worker whose results are NaN from round `breaks_at` on; with `heals`, until the run has gone back."""

    breaks_at: int = 10**9
    heals: bool = False
    broken_units: int = 0

    def compute(self, claim):
        config, result = super().compute(claim)
        healed = self.heals and evaluations.went_back_at(self.conn, claim.run_id) is not None
        if claim.round >= self.breaks_at and not healed:
            self.broken_units += 1
            next(iter(result.parts["g"].gradients.values()))[0] = float("nan")
        return config, result


@pytest.fixture
def broken_model(monkeypatch):
    """Let the coordinator's own result of each unit be bad, too: then it is the model."""
    judged = []

    def bad(part, role, network, config, num_images):
        judged.append(num_images)
        raise ImplausibleResult("The coordinator's own result is NaN, as injected.")

    monkeypatch.setattr("ganns.coordinator.judge.measure", bad)
    return judged


@pytest.fixture
def breaking(database, broken_model):
    """Return two workers that break when they are told to, as everything then does."""
    pair = [Breaking(database, name) for name in ("one", "two")]
    yield pair
    for worker in pair:
        worker.conn.close()


def work_until(pair, predicate, what):
    def turn():
        for worker in pair:
            worker.work()
        return predicate()

    wait_until(turn, timeout_s=60, what=what)


def went_back(coordinator):
    return [text for text in coordinator.said if "went back to the weights of version" in text]


@PIPELINES
def test_nan_from_two_workers_goes_back_once_and_goes_on(coordinate, breaking, broken_model, conn, pipeline):
    coordinator = coordinate(tiny(stop=StopConfig(epochs=2), strategy=strategy(pipeline)))
    work_until(breaking, lambda: len(coordinator.reports) >= 2, "two rounds")
    breaks_at = coordinator.reports[-1].version + 1
    for worker in breaking:
        worker.breaks_at, worker.heals = breaks_at, True
    work_until(breaking, lambda: went_back(coordinator), "the return")
    finish_run(coordinator, *breaking)
    assert all(worker.broken_units for worker in breaking)
    assert broken_model
    assert len(went_back(coordinator)) == 1
    # There was no checkpoint yet, so version 0 it was; the number of the version went on.
    rows = runs.list_metrics(conn, coordinator.run_id)
    assert [row["round"] for row in rows] == list(range(len(rows)))
    [back] = [row for row in rows if rollback.WENT_BACK_TO in row["metrics"]]
    assert back["metrics"] == {rollback.WENT_BACK_TO: 0.0}
    assert evaluations.went_back_at(conn, coordinator.run_id) == back["round"] + 1
    # Every image was accepted once in each epoch all the same.
    counts = conn.execute(
        "SELECT epoch, position, count(*) FROM ganns.ledger, generate_series(start, start + images - 1) AS position "
        "WHERE accepted AND NOT undone GROUP BY epoch, position"
    ).fetchall()
    assert len(counts) == 2 * 40
    assert {count for _, _, count in counts} == {1}
    check_ledger(conn)


def test_the_second_time_it_stops(coordinate, breaking, conn):
    coordinator = coordinate(tiny(stop=StopConfig(rounds=1000)))
    for worker in breaking:
        worker.breaks_at = 1
    work_until(breaking, lambda: not coordinator.thread.is_alive(), "the end")
    with pytest.raises(Diverged, match="was refused"):
        coordinator.join()
    assert len(went_back(coordinator)) == 1
    assert runs.get_run(conn, coordinator.run_id).state == "diverged"
    check_ledger(conn)


def test_in_a_class_of_one_its_results_and_the_coordinators_own_are_enough(coordinate, database, broken_model, conn):
    """No second worker is there to ask: it decides with the coordinator, and nobody is left out."""
    alone = Breaking(database, "alone")
    coordinator = coordinate(tiny(stop=StopConfig(rounds=1000)))
    alone.breaks_at = 1
    work_until([alone], lambda: not coordinator.thread.is_alive(), "the end")
    alone.conn.close()
    with pytest.raises(Diverged, match="was refused"):
        coordinator.join()
    assert alone.broken_units
    assert broken_model
    assert len(went_back(coordinator)) == 1
    assert not any("Start another worker" in text for text in coordinator.said)
    assert runs.get_run(conn, coordinator.run_id).state == "diverged"
    assert conn.execute("SELECT count(*) FROM ganns.exclusions").fetchone() == (0,)
    check_ledger(conn)


def test_it_goes_back_to_the_best_version_whose_numbers_are_finite(conn, tmp_path):
    config = tiny()
    run_id = runs.create_run(conn, name="", config={}, fingerprint="", num_images=2, permutation_digest="")

    def stored(version: int, value: float, put) -> None:
        state = TrainingState(config)
        state.progress = Progress(version)
        next(iter(state.ema.values())).fill_(value)
        state.save(tmp_path / "state")
        data = (tmp_path / "state").read_bytes()
        publish_state(conn, run_id, version, data)
        assert put(conn, run_id, version, data)

    assert rollback.last_good(conn, run_id, config).progress.version == 0
    stored(7, 1.0, weights.put_checkpoint)
    assert rollback.last_good(conn, run_id, config).progress.version == 7
    stored(5, 1.0, weights.put_best_checkpoint)
    assert rollback.last_good(conn, run_id, config).progress.version == 5
    stored(8, float("nan"), weights.put_best_checkpoint)
    assert rollback.last_good(conn, run_id, config).progress.version == 0
    assert not is_finite([torch.tensor([1.0, float("inf")])])


@PIPELINES
def test_weights_that_the_coordinators_own_step_breaks(coordinate, join, conn, monkeypatch, pipeline):
    """Finite gradients, and a step that is not: the round's results are not credited, and its images come again."""
    broken = break_step(monkeypatch, 2)
    coordinator = coordinate(tiny(stop=StopConfig(epochs=1), strategy=strategy(pipeline)))
    finish_run(coordinator, join())
    assert broken == [2]
    assert len(went_back(coordinator)) == 1
    assert evaluations.went_back_at(conn, coordinator.run_id) == 2
    late = conn.execute("SELECT count(*) FROM ganns.ledger WHERE round = 1 AND NOT accepted").fetchone()[0]
    assert late == 2
    assert coordinator.reports[-1].images == 40
    check_ledger(conn)
    # The round that was open ahead is computed at the good weights, not at those of the version that broke.
    versions = conn.execute("SELECT array_agg(weights_version ORDER BY round) FROM ganns.rounds").fetchone()[0]
    assert versions == ([0, 0, 2, 2] if pipeline else [0, 1, 2, 3])


class Killed(BaseException):
    """Stands for a kill: nothing handles it."""


@pytest.mark.parametrize(
    ("moment", "pipeline"), [("before the commit", False), ("after the commit", False), ("after the commit", True)]
)
def test_killed_while_it_goes_back(coordinate, breaking, conn, database, monkeypatch, moment, pipeline):
    """Resumed, it has gone back exactly once: before the commit it does so again, after it it has done so."""
    config = tiny(stop=StopConfig(rounds=6), strategy=strategy(pipeline))
    set_went_back, closed = evaluations.set_went_back, rollback.go_back
    kills = []

    def kill_before(conn_, run_id, version):
        for worker in breaking if kills else ():  # from this commit on rounds are open, and a worker may be faster
            worker.breaks_at = 10**9
        set_went_back(conn_, run_id, version)
        if not kills:
            kills.append(version)
            raise Killed

    def kill_after(*arguments):
        for (
            worker
        ) in breaking:  # its rounds are open from the commit on, and may be worked on before this one is killed
            worker.breaks_at = 10**9
        found = closed(*arguments)
        if not kills:
            kills.append(found)
            raise Killed
        return found

    if moment == "before the commit":
        monkeypatch.setattr(evaluations, "set_went_back", kill_before)
    else:
        monkeypatch.setattr("ganns.coordinator.rounds.go_back", kill_after)
    first = coordinate(config)
    for worker in breaking:
        worker.breaks_at = 2
    work_until(breaking, lambda: not first.thread.is_alive(), "the kill")
    assert isinstance(first.error, Killed)
    run_id = first.run_id
    assert (evaluations.went_back_at(conn, run_id) is not None) == (moment == "after the commit")
    for worker in breaking:
        worker.breaks_at = 2 if moment == "before the commit" else 10**9
    config.resume = str(run_id)
    second = coordinate(config)
    if moment == "before the commit":  # the results refused before the kill are remembered, so one more is enough
        work_until(breaking, lambda: went_back(second), "the return")
    finish_run(second, *breaking)
    assert len(went_back(second)) == (moment == "before the commit")
    assert evaluations.went_back_at(conn, run_id) == 3
    assert second.reports[-1].version == 6
    assert [row["round"] for row in runs.list_metrics(conn, run_id)] == list(range(6))
    with connect(database) as other:
        check_ledger(other)
