"""`strategy.pipeline`: two rounds are open, no worker waits for the aggregation, and the weights are still solo's."""

from __future__ import annotations

import threading

import psycopg
import pytest

from ganns.config import GradientStrategy, QuorumConfig, StopConfig
from ganns.coordinator import cleanup, publisher, rounds, state_files
from ganns.db.connect import connect
from ganns.store import rounds as table
from ganns.training.state import TrainingState
from tests.coordinator.test_faults import finish_run, wait_for_job
from tests.coordinator.test_resume import state_files as paths_of_states
from tests.coordinator.test_resume import work_until
from tests.support.fakes import solo_digest, tiny
from tests.support.helpers import wait_until, workers

PIPELINE = GradientStrategy(unit_images=8, micro_batch=8, pipeline=True)


def piped(**changes):
    return tiny(strategy=PIPELINE, **changes)


def open_rounds(conn):
    """Return (round, weights_version) of each open round."""
    return conn.execute("SELECT round, weights_version FROM ganns.rounds WHERE closed_at IS NULL ORDER BY 1").fetchall()


@pytest.mark.parametrize("num_workers", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_real_workers_equal_solo_bit_for_bit(coordinate, database, conn, tmp_path, num_workers):
    config = piped(quorum=QuorumConfig(units=3), stop=StopConfig(rounds=20))
    with workers(database, num_workers, tmp_path):
        coordinator = coordinate(config).join(120)
    assert coordinator.digest == solo_digest(config)
    assert coordinator.digest != solo_digest(tiny(quorum=QuorumConfig(units=3), stop=StopConfig(rounds=20)))
    found = conn.execute("SELECT round, weights_version FROM ganns.rounds ORDER BY round").fetchall()
    assert found == [(number, max(number - 1, 0)) for number in range(20)]
    # The one round that no worker can compute during the aggregation before it is the first.
    ahead = "SELECT count(*) FROM ganns.rounds a JOIN ganns.rounds b ON b.run_id = a.run_id AND b.round = a.round + 1 "
    assert conn.execute(ahead + "WHERE b.opened_at < a.closed_at").fetchone() == (19,)


def test_a_run_of_epochs_ends_with_the_quorum_that_is_left(coordinate, join, conn):
    config = piped(quorum=QuorumConfig(units=3, deadline_s=1000), stop=StopConfig(epochs=2))  # 10 slices in rounds of 3
    coordinator = coordinate(config)
    finish_run(coordinator, join())
    assert [report.num_results for report in coordinator.reports] == [3, 3, 3, 1]
    assert coordinator.digest == solo_digest(config)
    # A round's time runs from when the one before it was closed, not from when it was opened ahead.
    deadlines = "SELECT array_agg(b.deadline_at - a.closed_at) FROM ganns.rounds a JOIN ganns.rounds b USING (run_id) "
    found = conn.execute(deadlines + "WHERE b.round = a.round + 1").fetchone()[0]
    assert {one.total_seconds() for one in found} == {1000.0}


class Gate:
    """Holds the coordinator up in its aggregation until a test lets it go on."""

    def __init__(self, monkeypatch):
        self.reached, self.release = threading.Event(), threading.Event()
        advance = TrainingState.advance

        def slowly(state, *arguments):
            self.reached.set()
            assert self.release.wait(60)
            advance(state, *arguments)

        monkeypatch.setattr(TrainingState, "advance", slowly)


def test_workers_do_not_wait_for_the_aggregation(coordinate, join, conn, monkeypatch):
    gate = Gate(monkeypatch)
    coordinator, worker = coordinate(piped()), join()
    try:
        work_until(worker, gate.reached.is_set)
        # Both units of the next round are there before the coordinator has done anything with the first one's.
        work_until(worker, lambda: [claim.round for claim, _ in worker.submitted] == [0, 0, 1, 1])
        assert open_rounds(conn) == [(0, 0), (1, 0)]
        assert worker.fetch() is None  # one version ahead, not further
    finally:
        gate.release.set()
    finish_run(coordinator, worker)
    assert coordinator.digest == solo_digest(piped())
    early = "SELECT bool_and(u.claimed_at < r.closed_at) FROM ganns.units u, ganns.rounds r "
    early += "WHERE u.round = 1 AND r.round = 0"
    assert conn.execute(early).fetchone() == (True,)


def test_without_it_they_do(coordinate, join, conn, monkeypatch):
    gate = Gate(monkeypatch)
    coordinator, worker = coordinate(tiny()), join()
    try:
        work_until(worker, gate.reached.is_set)
        assert worker.fetch() is None
        assert open_rounds(conn) == [(0, 0)]
    finally:
        gate.release.set()
    finish_run(coordinator, worker)


def test_with_spares_every_image_counts_once_an_epoch_and_only_left_over_jobs_are_revoked(coordinate, join, database):
    config = piped(quorum=QuorumConfig(units=2, spares=1), stop=StopConfig(epochs=3))
    coordinator = coordinate(config)
    quick, slow, dead = join("quick"), join("slow"), join("dead")
    held = wait_for_job(slow)
    claim = slow.claim(held)
    result = slow.compute(claim)
    wait_for_job(dead)

    def has_done_the_rest():  # round 0 has one result of three then, and round 1 all three: nothing of it is left over
        slow.beat()
        dead.beat()
        return [claim.round for claim, _ in quick.submitted] == [0, 1, 1, 1]

    work_until(quick, has_done_the_rest)
    dead.fall_silent()
    work_until(quick, lambda: len(coordinator.reports) >= 1)
    states = "SELECT array_agg(j.status::text ORDER BY u.unit) AS found FROM ganns.units u "
    states += "JOIN procrastinate_jobs j ON j.id = u.job_id WHERE u.round = %s AND j.abort_requested"
    assert quick.one(states, 0)["found"] == ["doing"]  # the slow one's, and nothing of the rounds that are open
    assert quick.one(states, 1)["found"] is None
    waiting = "SELECT count(*) AS num FROM procrastinate_jobs WHERE status = 'todo'"
    wait_until(lambda: quick.one(waiting)["num"] >= 3, what="the jobs of the rounds that are opened then")
    assert slow.submit(held, *result) == "late"
    finish_run(coordinator, quick)
    with connect(database) as conn:
        counts = conn.execute(
            "SELECT epoch, position, count(*) "
            "FROM ganns.ledger, generate_series(start, start + images - 1) AS position "
            "WHERE accepted AND NOT undone GROUP BY epoch, position"
        ).fetchall()
        carried = conn.execute(
            "SELECT round FROM ganns.ledger WHERE accepted AND (epoch, start) = (%s, %s)", claim.slice[:2]
        ).fetchone()
    assert len(counts) == 3 * 40
    assert {count for _, _, count in counts} == {1}
    assert carried is not None
    assert carried[0] >= 2  # round 1 was planned before round 0 left it over


POINTS = [
    (state_files.StateFiles, "save"),
    (publisher.weights, "upload_weights"),
    (rounds.results, "credit"),
    (table, "close_round"),
    (table, "open_round"),
    (table, "restart_deadline"),
    (cleanup.Cleanup, "after_version"),
]


@pytest.mark.parametrize(("where", "name"), POINTS, ids=[name for _, name in POINTS])
def test_an_end_at_any_point_changes_nothing(coordinate, join, monkeypatch, where, name):
    """The coordinator breaks off right after the third call: in round 1 or 2, with another one open."""
    config, calls = piped(stop=StopConfig(rounds=6)), []
    function = getattr(where, name)

    def then_break(*args, **kwargs):
        found = function(*args, **kwargs)
        calls.append(name)
        if len(calls) == 3:
            raise ConnectionAbortedError(name)
        return found

    monkeypatch.setattr(where, name, then_break)
    first, worker = coordinate(config), join()
    work_until(worker, lambda: not first.thread.is_alive())
    with pytest.raises(ConnectionAbortedError, match=name):
        first.join()
    second = coordinate(piped(stop=StopConfig(rounds=6), resume="latest"))
    finish_run(second, worker)
    assert second.digest == solo_digest(config)


def test_emptied_unlogged_tables(coordinate, join, conn):
    """A crash of the server takes both versions' weights, and results of both rounds."""
    config = piped(stop=StopConfig(rounds=5))
    coordinator, worker = coordinate(config), join()
    work_until(worker, lambda: len(coordinator.reports) >= 2)
    assert conn.execute("SELECT count(*) FROM ganns.weights").fetchone()[0] > 0
    conn.execute("TRUNCATE ganns.weights, ganns.results, ganns.result_parts")

    def both_are_there_again():
        found = conn.execute("SELECT DISTINCT version FROM ganns.weights ORDER BY version").fetchall()
        wanted = [(base,) for _, base in open_rounds(conn)]
        return len(found) == 2 and found == wanted

    wait_until(both_are_there_again, what="the weights of both versions again")
    finish_run(coordinator, worker)
    assert coordinator.digest == solo_digest(config)


def test_a_finished_run_can_be_prolonged_exactly(coordinate, join):
    worker = join()
    finish_run(coordinate(piped(stop=StopConfig(rounds=3))), worker)
    longer = coordinate(piped(stop=StopConfig(rounds=6), resume="latest"))
    finish_run(longer, worker)
    assert longer.digest == solo_digest(piped(stop=StopConfig(rounds=6)))


def test_the_database_allows_no_third_open_round(coordinate, conn):
    coordinator = coordinate(piped())
    wait_until(lambda: coordinator.run_id is not None, what="the run")
    for number in (2, 3):
        with pytest.raises(psycopg.errors.UniqueViolation, match="rounds_two_open"):
            table.open_round(
                conn, coordinator.run_id, number, {}, [], weights_version=number, quorum=1, deadline_s=None
            )


def test_on_another_machine_both_rounds_start_again_at_the_checkpoints_versions(coordinate, join, conn, monkeypatch):
    config, stored = piped(stop=StopConfig(rounds=8)), []
    config.db.checkpoint_s = 0.0
    put, close = publisher.weights.put_checkpoint, table.close_round

    def put_the_first(conn, run_id, version, data):
        if not stored:
            put(conn, run_id, version, data)
            stored.append(version)

    def break_off_later(conn, run_id, round_):
        if stored and round_ >= stored[0] + 2:
            raise ConnectionAbortedError("close_round")
        close(conn, run_id, round_)

    with monkeypatch.context() as patch:
        patch.setattr(publisher.weights, "put_checkpoint", put_the_first)
        patch.setattr(table, "close_round", break_off_later)
        first, worker = coordinate(config), join()
        work_until(worker, lambda: first.reports)
        wait_until(lambda: stored, what="a checkpoint")
        work_until(worker, lambda: not first.thread.is_alive())
    with pytest.raises(ConnectionAbortedError):
        first.join()
    for path in paths_of_states(conn).iterdir():
        path.unlink()
    second = coordinate(piped(stop=StopConfig(rounds=8), resume="latest"))
    wait_until(lambda: second.run_id is not None, what="the second coordinator")
    assert any(f"going on from the checkpoint of version {stored[0]}" in text for text in second.said)
    assert open_rounds(conn) == [(stored[0], stored[0] - 1), (stored[0] + 1, stored[0])]
    finish_run(second, worker)
    assert second.digest == solo_digest(config)
    assert conn.execute("SELECT sum(images) FROM ganns.ledger WHERE accepted AND NOT undone").fetchone() == (8 * 16,)


def test_open_rounds_are_finished_even_if_the_end_was_moved_before_them(coordinate, join):
    config = piped(quorum=QuorumConfig(units=3), stop=StopConfig(epochs=3))
    first, worker = coordinate(config), join()
    work_until(worker, lambda: len(first.reports) >= 2)
    first.stop.set()
    first.join()
    second = coordinate(piped(quorum=QuorumConfig(units=3), stop=StopConfig(epochs=1), resume="latest"))
    finish_run(second, worker)
    assert [report.version for report in second.reports][-2:] == [first.reports[-1].version + n for n in (1, 2)]
    assert second.digest == solo_digest(
        piped(quorum=QuorumConfig(units=3), stop=StopConfig(rounds=second.reports[-1].version))
    )
