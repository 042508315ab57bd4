"""Each fault that a round must survive, injected by hand, with the assertion that it happened."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest

from ganns.config import QuorumConfig, StopConfig
from ganns.coordinator import rounds as protocol
from ganns.coordinator.collector import Collector
from ganns.coordinator.reconciler import Reconciler
from ganns.db.connect import connect
from ganns.errors import LeaseLost
from ganns.monitor.events import CHANNEL, parse
from ganns.store import rounds, runs
from tests.support.fakes import FakeWorker, solo_digest, tiny
from tests.support.helpers import wait_until, workers


def wait_for_job(worker: FakeWorker):
    """Return the next job as soon as there is one."""
    found = []
    wait_until(lambda: found.append(worker.fetch()) or found[-1] is not None, what="a job")
    return found[-1]


def finish_run(coordinator, *fakes: FakeWorker, stuck_s: float = 60) -> None:
    """Let the workers take turns until the coordinator is done; fail after a time without a new version or message."""
    seen, until = None, 0.0
    while coordinator.thread.is_alive():
        for worker in fakes:
            worker.work()
        if seen != (now := (len(coordinator.reports), len(coordinator.said))):  # a busy machine is slow, not stuck
            seen, until = now, time.monotonic() + stuck_s
        assert time.monotonic() < until, f"no new version for {stuck_s} s; it said {coordinator.said}"
        time.sleep(0.01)
    coordinator.join()


def test_a_worker_computes_what_solo_computes(coordinate, join):
    config = tiny()
    coordinator = coordinate(config)
    finish_run(coordinator, join())
    assert coordinator.done
    assert coordinator.digest == solo_digest(config)
    assert [report.version for report in coordinator.reports] == [1, 2, 3]


def test_a_sleeper_finishes_a_job_that_was_requeued(coordinate, join, conn):
    """procrastinate's finish checks no ownership: the requeued job is over without a computed unit."""
    conn.execute(f"LISTEN {CHANNEL}")
    config = tiny()
    coordinator = coordinate(config)
    sleeper, other = join("sleeper"), join("other")
    job = wait_for_job(sleeper)
    assert sleeper.claim(job)
    sleeper.fall_silent()
    wait_until(
        lambda: other.one("SELECT attempts FROM procrastinate_jobs WHERE id = %s", job.id)["attempts"] == 1,
        what="the rescue",
    )
    queued_again = (event for n in conn.notifies(timeout=60) if (event := parse(n.payload))["event"] == "requeued")
    assert next(queued_again) == {"event": "requeued", "run": 1, "round": 0, "unit": 0, "worker": sleeper.id}
    sleeper.finish(job)
    assert other.one("SELECT status::text FROM procrastinate_jobs WHERE id = %s", job.id)["status"] == "succeeded"
    finish_run(coordinator, other)
    assert coordinator.digest == solo_digest(config)


def test_a_sleeper_finishes_a_job_that_another_is_running(coordinate, join, database, monkeypatch):
    turn, reconcile = threading.Lock(), Reconciler.reconcile

    def in_turn(*args):
        with turn:
            return reconcile(*args)

    monkeypatch.setattr(Reconciler, "reconcile", in_turn)
    config = tiny()
    coordinator = coordinate(config)
    sleeper, other = join("sleeper"), join("other")
    job = wait_for_job(sleeper)
    claim = sleeper.claim(job)
    result = sleeper.compute(claim)
    sleeper.fall_silent()
    mine = []
    wait_until(
        lambda: (
            mine.append(other.fetch())
            or (mine[-1] is not None and mine[-1].id == job.id)
            or (mine[-1] and other.work(mine[-1]) and False)
        ),
        what="the rescued job",
    )
    assert mine[-1].attempt == 1
    assert other.claim(mine[-1]) is not None
    assert sleeper.submit(job, *result) == "stale"  # fenced: another attempt holds the unit
    with turn:  # else the coordinator may give the unit to a new job in between
        sleeper.finish(job)  # it ends the other's job all the same
        assert other.submit(mine[-1], *result) == "stored"  # our own units row decides, not the job's status
    finish_run(coordinator, other)
    assert coordinator.digest == solo_digest(config)


def test_a_result_that_comes_while_its_job_is_taken_for_lost_counts(coordinate, join, monkeypatch):
    """Given to a new job all the same, the unit would have a result that is never read, and the round no end."""
    coordinator, worker, answers = coordinate(tiny()), join(), []
    job = wait_for_job(worker)
    result, find = worker.compute(worker.claim(job)), rounds.lost_units

    def find_and_submit(*args):
        lost = find(*args)
        if lost and not answers:
            answers.append(worker.submit(job, *result))
        return lost

    monkeypatch.setattr(rounds, "lost_units", find_and_submit)
    worker.finish(job)
    wait_until(lambda: answers, what="the coordinator to find the unit lost")
    finish_run(coordinator, worker)
    assert answers == ["stored"]
    assert coordinator.digest == solo_digest(tiny())


def test_emptied_unlogged_tables(coordinate, join, database):
    """What a crash of the server does: weights, parts and results are gone, the rest is there."""
    config = tiny()
    coordinator = coordinate(config)
    worker = join()
    job = wait_for_job(worker)
    assert worker.work(job) == "stored"
    for table in ("weights", "results", "result_parts"):
        assert worker.one(f"SELECT count(*) AS num FROM ganns.{table}")["num"] > 0
        worker.conn.execute(f"TRUNCATE ganns.{table}")
    wait_until(worker.weights_there, what="the weights again")
    finish_run(coordinator, worker)
    assert coordinator.digest == solo_digest(config)


def test_a_duplicate_and_a_late_result_change_nothing(coordinate, join, database):
    config = tiny()
    coordinator = coordinate(config)
    worker, slow = join(), join("slow")
    job = wait_for_job(worker)
    result = worker.compute(worker.claim(job))
    assert worker.submit(job, *result) == "stored"
    assert worker.submit(job, *result) == "duplicate"
    worker.finish(job)
    finish_run(coordinator, worker)
    assert coordinator.digest == solo_digest(config)
    assert slow.submit(job, *result) == "late"
    rows = worker.conn.execute("SELECT count(*) FILTER (WHERE accepted), count(*) FROM ganns.ledger").fetchone()
    assert rows == (6, 6)  # the late one is the very result that was accepted: credited once


def test_spares_close_a_round_without_the_slowest_and_no_image_is_lost(coordinate, join, database):
    from ganns.config import QuorumConfig, StopConfig

    config = tiny(quorum=QuorumConfig(units=2, spares=1), stop=StopConfig(epochs=2))
    coordinator = coordinate(config)
    quick, slow = join("quick"), join("slow")
    held = wait_for_job(slow)
    claim = slow.claim(held)
    result = slow.compute(claim)
    wait_until(lambda: quick.work() is None and len(coordinator.reports) >= 1, what="a round without the slow worker")
    assert slow.submit(held, *result) == "late"
    finish_run(coordinator, quick)
    accepted = quick.one("SELECT sum(images) AS num FROM ganns.ledger WHERE accepted")["num"]
    assert accepted == 80  # two epochs of 40, each image once in each
    late = quick.one("SELECT sum(images) AS num FROM ganns.ledger WHERE NOT accepted AND worker_id = %s", slow.id)
    assert late["num"] == 8
    assert coordinator.reports[-1].images == 80
    cancelled = quick.one("SELECT count(*) AS num FROM ganns.rounds WHERE closed_at IS NULL")
    assert cancelled["num"] == 0


def test_a_deadline_closes_with_fewer_but_never_with_none(coordinate, join, database):
    from ganns.config import QuorumConfig, StopConfig

    config = tiny(quorum=QuorumConfig(units=3, deadline_s=0.2), stop=StopConfig(rounds=1))
    coordinator = coordinate(config)
    worker = join()
    job = wait_for_job(worker)
    with connect(database) as conn:
        wait_until(
            lambda: coordinator.run_id and rounds.get_open_round(conn, coordinator.run_id).deadline_in_s < -0.5,
            what="the deadline",
        )
    assert coordinator.thread.is_alive()  # with no result it keeps waiting
    assert worker.work(job) == "stored"
    coordinator.join()
    assert coordinator.reports[0].num_results == 1
    assert any("deadline" in text for text in coordinator.said)


@pytest.mark.parametrize("comes_in_time", [True, False])
def test_a_grace_waits_for_the_spares_and_no_longer(coordinate, join, monkeypatch, comes_in_time):
    """From the quorum on, results count for `grace_s` seconds; the round's clock is the test's."""
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(protocol, "time", SimpleNamespace(monotonic=lambda: clock.now))
    config = tiny(quorum=QuorumConfig(units=1, spares=1, grace_s=30.0), stop=StopConfig(rounds=1))
    coordinator, quick, slow = coordinate(config), join("quick"), join("slow")
    job, spare = wait_for_job(quick), wait_for_job(slow)
    result = slow.compute(slow.claim(spare))
    counts, receive = [], Collector.receive

    def count(self, connections):
        refused = receive(self, connections)
        counts.append(len(self.submissions))
        return refused

    monkeypatch.setattr(Collector, "receive", count)
    assert quick.work(job) == "stored"
    wait_until(lambda: counts.count(1) > 2, what="the coordinator to see the quorum, and wait")
    clock.now += 29.0
    seen = len(counts)
    wait_until(lambda: len(counts) > seen + 2, what="it to wait on")
    assert not coordinator.reports
    if comes_in_time:
        assert slow.submit(spare, *result) == "stored"
    else:
        clock.now += 2.0
    coordinator.join()
    assert [report.num_results for report in coordinator.reports] == [1 + comes_in_time]
    if not comes_in_time:
        assert slow.submit(spare, *result) == "late"


def test_a_refused_result_is_computed_again(coordinate, join, database):
    config = tiny()
    coordinator = coordinate(config)
    worker = join()
    job = wait_for_job(worker)
    settings, result = worker.compute(worker.claim(job))
    result.metrics["d_loss"] = float("nan")
    assert worker.submit(job, settings, result) == "stored"
    worker.finish(job)
    finish_run(coordinator, worker)
    assert sum("refused" in text for text in coordinator.said) == 1
    assert coordinator.digest == solo_digest(config)


def test_a_second_coordinator_is_refused_by_name(coordinate, join, database):
    coordinator = coordinate(tiny())
    wait_until(lambda: coordinator.run_id is not None, what="the run")
    second = coordinate(tiny(resume=str(coordinator.run_id)))
    with pytest.raises(LeaseLost, match=r"already has a coordinator: .*process \d+"):
        second.join()
    finish_run(coordinator, join())


def test_a_coordinator_that_was_taken_over_writes_nothing(coordinate, join, database):
    coordinator = coordinate(tiny())
    wait_until(lambda: coordinator.run_id is not None, what="the run")
    with connect(database) as conn:
        conn.execute("UPDATE ganns.runs SET generation = generation + 1")
        with pytest.raises(LeaseLost, match="taken over"):
            coordinator.join()
        assert runs.get_run(conn, coordinator.run_id).version == 0


def test_silent_workers_are_rescued_and_slow_ones_are_not(coordinate, join, database):
    coordinator = coordinate(tiny())
    slow, dead = join("slow"), join("dead")
    kept, lost = wait_for_job(slow), wait_for_job(dead)
    dead.fall_silent()
    attempts = "SELECT attempts FROM procrastinate_jobs WHERE id = %s"
    wait_until(lambda: slow.beat() or slow.one(attempts, lost.id)["attempts"] == 1, what="the rescue")
    assert slow.one(attempts, kept.id)["attempts"] == 0
    assert slow.work(kept) == "stored"
    finish_run(coordinator, slow)


def test_the_ledger_says_that_each_image_was_seen_once_an_epoch(coordinate, join, database):
    """With spares, a late result and a dead worker, from the database alone."""
    from ganns.config import QuorumConfig, StopConfig

    config = tiny(quorum=QuorumConfig(units=2, spares=1), stop=StopConfig(epochs=3))
    coordinator = coordinate(config)
    quick, dead = join("quick"), join("dead")
    wait_for_job(dead)
    dead.fall_silent()
    finish_run(coordinator, quick)
    with connect(database) as conn:
        counts = conn.execute(
            "SELECT epoch, position, count(*) "
            "FROM ganns.ledger, generate_series(start, start + images - 1) AS position "
            "WHERE accepted AND NOT undone GROUP BY epoch, position"
        ).fetchall()
    assert len(counts) == 3 * 40
    assert {count for _, _, count in counts} == {1}


def test_a_unit_that_kills_its_workers_is_set_aside_and_the_round_goes_on(coordinate, join, database):
    config = tiny(stop=StopConfig(rounds=2))
    coordinator = coordinate(config)
    other = join("other")
    victims = [join(f"victim {number}") for number in range(3)]
    poison = wait_for_job(victims[0])
    claim = victims[0].claim(poison)
    victims[0].fall_silent()
    for victim in victims[1:]:

        def again(victim=victim):
            job = victim.fetch()
            if job is not None and job.id != poison.id:
                other.work(job)
                return False
            return job is not None

        wait_until(again, what="the poison unit's next attempt")
        assert victim.claim(poison.__class__(poison.id, poison.attempt + victims.index(victim), poison.args)) == claim
        victim.fall_silent()
    finish_run(coordinator, other)
    assert any(f"unit {claim.unit} of round 0 is set aside" in text for text in coordinator.said)
    with connect(database) as conn:
        rows = conn.execute("SELECT round, unit, epoch, start, images, reason FROM ganns.skipped").fetchall()
        assert [row[:5] for row in rows] == [(0, claim.unit, *claim.slice)]
        assert rows[0][5].count("its process died") == 3
        accepted = conn.execute("SELECT round, unit FROM ganns.ledger WHERE accepted ORDER BY 1, 2").fetchall()
    assert accepted == [(0, 1 - claim.unit), (1, 0), (1, 1)]


def test_a_unit_that_fails_wherever_it_runs_is_set_aside_with_its_traceback(coordinate, database, tmp_path):
    """Real workers, and two units whose computation raises, one of them an error of ours; the others are computed."""
    config = tiny(quorum=QuorumConfig(units=3), stop=StopConfig(rounds=2))
    with workers(database, 2, tmp_path, module="tests.support.poisoned"):
        coordinator = coordinate(config).join(90)
    for unit in (1, 2):
        assert any(f"unit {unit} of round 0 is set aside" in text for text in coordinator.said)
    with connect(database) as conn:
        reasons = dict(conn.execute("SELECT unit, reason FROM ganns.skipped").fetchall())
        assert reasons.keys() == {1, 2}
        assert "ValueError: no image can be like this" in reasons[1]
        assert "DataError: Image 3 is damaged wherever it is" in reasons[2]
        accepted = conn.execute("SELECT round, unit FROM ganns.ledger WHERE accepted ORDER BY 1, 2").fetchall()
    assert accepted == [(0, 0), (1, 0), (1, 1), (1, 2)]
