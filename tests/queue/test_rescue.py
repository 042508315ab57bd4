"""The rescue: dead workers' jobs, poison, time limits, the lease, expiry."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from ganns.db.address import Address
from ganns.db.connect import Connection
from ganns.errors import ChordFailed, TaskFailed
from ganns.queue import rescue
from ganns.queue.canvas import chord
from tests.queue import sample_tasks as sample
from tests.support.helpers import spawn_worker, wait_until


def fates(conn: Connection) -> list[str]:
    return [one.fate for one in rescue.rescue(conn)]


def test_a_dead_workers_job_runs_elsewhere(hands: Callable, conn: Connection) -> None:
    result, dead, hand = sample.add.delay(1), hands(), hands()
    dead.fetch()
    assert fates(conn) == []  # a live worker keeps its task, however slow it is
    dead.fall_silent()
    conn.execute("LISTEN procrastinate_any_queue_v1")
    assert fates(conn) == ["retried"]
    assert len(list(conn.notifies(timeout=5, stop_after=1))) == 1  # one worker is woken
    hand.finish(hand.fetch(), "1")
    assert result.get(timeout=60) == 1


def test_a_pruned_workers_job_runs_elsewhere(hands: Callable, conn: Connection) -> None:
    sample.add.delay(1)
    dead, hand = hands(), hands()
    dead.fetch()
    conn.execute("DELETE FROM procrastinate_workers WHERE id = %s", [dead.id])
    assert fates(conn) == ["retried"]
    assert hand.fetch() is not None


def test_a_pruned_worker_comes_back(hands: Callable, conn: Connection) -> None:
    """A lid was closed and opened: stock workers end with a foreign key violation."""
    hand = hands()
    hand.fall_silent()
    rescue.enforce_deadlines(conn, prune_s=30)
    assert conn.execute("SELECT count(*) FROM procrastinate_workers").fetchone() == (0,)
    sample.add.delay(1)
    assert hand.fetch() is not None
    assert conn.execute("SELECT id FROM procrastinate_workers").fetchone() == (hand.id,)


def test_a_long_task_is_not_given_away_while_it_runs(database: Address, conn: Connection, tmp_path: Path) -> None:
    """With a real worker, a task that is busy for longer than the silence that counts as death."""
    path = tmp_path / "go"
    command = [sys.executable, "-m", "procrastinate", "--app=tests.queue.sample_tasks.app", "worker"]
    process = spawn_worker(database, tmp_path / "log", "w", command)
    try:
        result = sample.wait_for_file.delay(str(path))
        wait_until((tmp_path / "go.started").exists, what="the task to start")
        first = conn.execute("SELECT last_heartbeat FROM procrastinate_workers").fetchone()
        wait_until(
            lambda: conn.execute("SELECT last_heartbeat FROM procrastinate_workers").fetchone() != first,
            what="a heartbeat while the task runs",
        )
        assert rescue.rescue(conn, silent_s=3.0) == []
        path.touch()
        assert result.get(timeout=60) == "seen"
        assert len((tmp_path / "go.started").read_text().splitlines()) == 1
    finally:
        process.kill()
        process.wait()


def test_a_killed_workers_job_runs_elsewhere(database: Address, conn: Connection, tmp_path: Path) -> None:
    path = tmp_path / "go"
    command = [sys.executable, "-m", "procrastinate", "--app=tests.queue.sample_tasks.app", "worker"]
    processes = [spawn_worker(database, tmp_path / "log", "w", command)]
    try:
        result = sample.wait_for_file.delay(str(path))
        started = tmp_path / "go.started"
        # Its line, not only the file: killed between the two, the first worker would leave none to be counted.
        wait_until(lambda: started.exists() and started.read_text().count("\n") == 1, what="the task to start")
        processes[0].send_signal(signal.SIGKILL)
        processes[0].wait()
        processes.append(spawn_worker(database, tmp_path / "log", "w2", command))
        # Made silent by hand rather than waited for: that it takes 15 s is the default's own business.
        conn.execute("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 minute'")
        wait_until(lambda: "retried" in fates(conn), what="the rescue")
        wait_until(lambda: started.read_text().count("\n") == 2, what="the second worker to start it")
        path.touch()
        assert result.get(timeout=60) == "seen"
    finally:
        for process in processes:
            process.kill()
            process.wait()


def die(hands: Callable) -> None:
    hand = hands()
    assert hand.fetch() is not None
    hand.fall_silent()


def test_poison_is_set_aside(hands: Callable, conn: Connection) -> None:
    result = sample.add.delay(1)
    for fate in ("retried", "retried", "poison"):
        die(hands)
        assert fates(conn) == [fate]
    with pytest.raises(TaskFailed, match="WorkerLost: 3 attempts ended with their worker's death") as caught:
        result.get(timeout=60)
    lines = (caught.value.traceback or "").splitlines()
    assert [line.split(",")[0] for line in lines[:3]] == ["attempt 0", "attempt 1", "attempt 2"]
    assert hands().fetch() is None


def test_poison_fails_its_chord(hands: Callable, conn: Connection) -> None:
    result = chord([sample.add.s(1)], sample.total.s()).delay()
    for _ in range(3):
        die(hands)
        rescue.rescue(conn)
    with pytest.raises(ChordFailed, match="WorkerLost"):
        result.get(timeout=60)


def test_what_was_revoked_while_its_worker_died_does_not_run_again(hands: Callable, conn: Connection) -> None:
    result = sample.add.delay(1)
    hand = hands()
    hand.fetch()
    result.revoke(terminate=True)
    hand.fall_silent()  # its supervisor killed it
    assert fates(conn) == ["revoked"]
    assert result.state == "REVOKED"
    assert hands().fetch() is None


def test_killed_for_its_time_limit(hands: Callable, conn: Connection, work: Callable) -> None:
    work()  # registers the rules
    result = sample.killer.delay()
    die(hands)
    conn.execute("UPDATE procrastinate_events SET at = at - interval '2 minutes' WHERE type = 'started'")
    assert fates(conn) == ["time_limit"]
    with pytest.raises(TaskFailed, match="TimeLimitExceeded"):
        result.get(timeout=60)


def test_one_rescuer_at_a_time(hands: Callable, conn: Connection) -> None:
    first, second = rescue.Rescuer(holder="first"), rescue.Rescuer(holder="second")
    assert first.tick(conn) == []
    assert second.tick(conn) is None
    assert rescue.Rescuer(holder="first").tick(conn) is None  # a name is not enough: the generation counts
    assert first.tick(conn) == []


def test_a_rescuer_that_was_stalled_is_replaced(hands: Callable, conn: Connection) -> None:
    first, second = rescue.Rescuer(holder="first"), rescue.Rescuer(holder="second")
    first.tick(conn)
    conn.execute("UPDATE ganns.task_leases SET until = now() - interval '1 s'")
    sample.add.delay(1)
    die(hands)
    assert [one.fate for one in second.tick(conn) or []] == ["retried"]
    die(hands)
    assert first.tick(conn) is None  # it comes back with an old generation, and does nothing
    assert first.tick(conn) is None
    assert [one.fate for one in second.tick(conn) or []] == ["retried"]


def test_a_late_rescuer_whose_lease_was_not_taken_goes_on(conn: Connection) -> None:
    first = rescue.Rescuer()
    first.tick(conn)
    conn.execute("UPDATE ganns.task_leases SET until = now() - interval '1 s'")
    assert first.tick(conn) == []


def test_the_loop_reconnects(database: Address, hands: Callable, conn: Connection) -> None:
    stop, said = threading.Event(), []
    thread = threading.Thread(target=rescue.run, args=(database, stop, said.append), kwargs={"interval_s": 0.01})
    thread.start()
    try:
        wait_until(lambda: "rescuing" in said, what="the lease")
        kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = %s"
        assert conn.execute(kill, ["ganns tasks rescue"]).fetchone() == (1,)
        wait_until(lambda: any("is away" in text for text in said), what="the loss to be noticed")
        sample.add.delay(1)
        die(hands)
        wait_until(lambda: any("its worker is gone; retried" in text for text in said), what="a rescue")
    finally:
        stop.set()
        thread.join(60)


def test_results_expire(work: Callable, conn: Connection) -> None:
    result = sample.add.delay(1)
    chord([sample.add.s(1)], sample.total.s()).delay()
    work()
    rescue.enforce_deadlines(conn)
    assert result.get(timeout=60) == 1
    conn.execute("UPDATE ganns.task_results SET expires_at = now() - interval '1 s'")
    conn.execute("UPDATE ganns.task_groups SET created_at = now() - interval '2 days'")
    rescue.enforce_deadlines(conn)
    for _ in range(2):  # the outer group goes after the inner one
        rescue.delete_finished_jobs(conn)
    for table in ("ganns.task_results", "ganns.task_calls", "ganns.task_groups", "procrastinate_jobs"):
        assert conn.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table


def test_a_queued_job_expires_without_a_worker(conn: Connection) -> None:
    result = chord([sample.add.s(1).set(expires=0)], sample.total.s()).delay()
    rescue.enforce_deadlines(conn)
    with pytest.raises(ChordFailed, match="expired"):
        result.get(timeout=60)


def test_finished_jobs_without_a_result_are_swept(work: Callable, conn: Connection) -> None:
    sample.quiet.delay()
    kept = sample.add.delay(1)
    work()
    waiting = sample.quiet.delay()
    rescue.delete_finished_jobs(conn)
    conn.execute("UPDATE procrastinate_events SET at = at - interval '2 days'")
    rescue.delete_finished_jobs(conn)
    rows = conn.execute("SELECT id FROM procrastinate_jobs ORDER BY id").fetchall()
    assert rows == [(kept.job_id,), (waiting.job_id,)]
