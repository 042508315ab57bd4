"""Several runs over one pool of workers: equal shares of the workers' time, whatever their rounds look like.

The worker is a fake one, and a unit's cost is what the test says: the claim is dated back by that time. The
worker takes its next job only when the coordinators have opened what they can, so no machine's speed matters.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from ganns.config import Config, GradientStrategy, QuorumConfig, StopConfig
from ganns.coordinator.publisher import Publisher
from ganns.store import fair_share
from tests.support.coordinators import Coordinator
from tests.support.fakes import FakeWorker, tiny
from tests.support.helpers import wait_until

FOREVER = StopConfig(rounds=10**6)


@dataclass
class Pool:
    """One worker, and what it did for whom."""

    worker: FakeWorker
    start: Callable[[Config], Coordinator]
    costs: dict[int, float] = field(default_factory=dict)  # run -> seconds that one of its units takes
    seconds: Counter[int] = field(default_factory=Counter)
    units: Counter[int] = field(default_factory=Counter)

    def add(self, config: Config, cost: float) -> int:
        """Start a run whose units take `cost` seconds; return its number."""
        run = self.start(config)
        wait_until(lambda: run.run_id is not None, 120, "the run")
        assert run.run_id is not None
        self.costs[run.run_id] = cost
        return run.run_id

    def waiting(self) -> set[int]:
        """The runs that have a job in the queue."""
        rows = self.worker.conn.execute("SELECT (args ->> 'run')::bigint FROM procrastinate_jobs WHERE status = 'todo'")
        return {row[0] for row in rows}

    def work(self, num_units: int = 1) -> int:
        """Compute units one after the other, each when all runs have jobs in the queue; return the last one's run."""
        for _ in range(num_units):
            wait_until(lambda: self.waiting() >= set(self.costs), 120, "every run's jobs")
            run = self.one_unit()
        return run

    def one_unit(self) -> int:
        """Compute a unit of whichever run's turn it is; return that run."""
        job = self.worker.fetch()
        assert job is not None
        claim = self.worker.claim(job)
        assert claim is not None
        cost = self.costs[claim.run_id]
        self.worker.conn.execute(
            "UPDATE ganns.units SET claimed_at = claimed_at - make_interval(secs => %s) WHERE job_id = %s",
            [cost, job.id],
        )
        assert self.worker.submit(job, *self.worker.compute(claim)) == "stored"
        self.worker.finish(job)
        self.seconds[claim.run_id] += cost
        self.units[claim.run_id] += 1
        return claim.run_id

    def share(self, run_id: int) -> float:
        """The run's share of the worker's time so far."""
        return self.seconds[run_id] / sum(self.seconds.values())


@pytest.fixture
def pool(coordinate, join) -> Pool:
    return Pool(join(), coordinate)


def test_runs_of_unequal_rounds_get_equal_shares_of_the_time(pool: Pool) -> None:
    """By age alone, a round each in turn, the shares would be 1 : 3 : 8."""
    small = pool.add(tiny(quorum=QuorumConfig(units=1), stop=FOREVER), 20.0)
    middle = pool.add(tiny(quorum=QuorumConfig(units=1), stop=FOREVER, seed=1), 60.0)
    large = pool.add(tiny(quorum=QuorumConfig(units=2), stop=FOREVER, seed=2), 80.0)
    pool.work(51)  # about four rounds of the largest
    for run_id in (small, middle, large):
        assert pool.share(run_id) == pytest.approx(1 / 3, abs=0.08)
    assert pool.units[small] / pool.units[large] == pytest.approx(4, rel=0.3)  # a unit costs a quarter


@pytest.mark.slow
def test_a_slow_coordinator_costs_its_run_no_share(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The slow one's rounds stay open until the worker did a unit for the other; by age its share would be a third."""
    gate, held = threading.Semaphore(0), threading.Event()
    publish = Publisher.upload_and_save

    def slowly(self: Publisher) -> int:
        if self.run_id == slow and self.state.progress.version:
            held.set()
            assert gate.acquire(timeout=120)
        return publish(self)

    monkeypatch.setattr(Publisher, "upload_and_save", slowly)
    slow = -1
    fast = pool.add(tiny(quorum=QuorumConfig(units=4), stop=FOREVER), 10.0)
    slow = pool.add(tiny(quorum=QuorumConfig(units=2), stop=FOREVER, seed=1), 10.0)
    for _ in range(12):
        while pool.work() != slow or slow in pool.waiting():
            pass
        assert held.wait(120)  # all results of its round are in
        held.clear()
        wait_until(lambda: fast in pool.waiting(), 120, "the fast one's jobs")
        assert pool.one_unit() == fast
        gate.release()
    gate.release()
    assert pool.share(slow) == pytest.approx(0.5, abs=0.08)


def used_seconds(conn, run_id: int) -> float:
    return conn.execute("SELECT used_s FROM ganns.runs WHERE id = %s", [run_id]).fetchone()[0]


def test_a_new_run_begins_where_the_others_are(pool: Pool, conn) -> None:
    old = pool.add(tiny(stop=FOREVER), 100.0)
    pool.work(10)
    wait_until(lambda: used_seconds(conn, old) > 900, 60, "the charge")
    assert conn.execute("SELECT DISTINCT priority FROM procrastinate_jobs").fetchall() == [(0,)]  # it is alone
    new = pool.add(tiny(stop=FOREVER, seed=1), 100.0)
    assert used_seconds(conn, new) > 900
    before = pool.units[old]
    pool.work(16)
    assert pool.units[new] == pytest.approx(8, abs=2)
    assert pool.units[old] - before == pytest.approx(8, abs=2)


def test_no_run_saves_up_more_than_the_limit(pool: Pool, conn) -> None:
    """Else a run that was held up for long would have all workers for as long."""
    rich = pool.add(tiny(stop=FOREVER), 1.0)
    poor = pool.add(tiny(stop=FOREVER, seed=1), 1.0)
    conn.execute("UPDATE ganns.runs SET used_s = 1e6 WHERE id = %s", [rich])
    fair_share.take_turn(conn, poor, [])
    assert used_seconds(conn, poor) == pytest.approx(1e6 - fair_share.LAG_S)
    fair_share.take_turn(conn, poor, [], lag_s=10.0)
    assert used_seconds(conn, poor) == pytest.approx(1e6 - 10)


@pytest.mark.parametrize("pipeline", [False, True], ids=["one round", "pipeline"])
def test_each_round_is_charged_once(pool: Pool, conn, pipeline: bool) -> None:
    strategy = GradientStrategy(unit_images=8, micro_batch=8, pipeline=pipeline)
    run = pool.add(tiny(stop=FOREVER, strategy=strategy), 1000.0)
    pool.work(8)
    wait_until(
        lambda: conn.execute("SELECT version FROM ganns.runs").fetchone() == (4,), what="four rounds of two units"
    )
    assert used_seconds(conn, run) == pytest.approx(8000, abs=500)  # and the seconds that it really took
