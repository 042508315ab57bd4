"""Control: revoking, pausing, draining, routing, rate limits; with real workers where it matters."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ganns.db.address import Address
from ganns.db.connect import Connection
from ganns.db.queries import execute
from ganns.errors import TaskRevoked
from ganns.queue import commands
from ganns.queue.canvas import group
from tests.queue import sample_tasks as sample
from tests.support.helpers import spawn_worker, wait_until

Work = Callable[..., None]
COMMAND = [sys.executable, "-m", "procrastinate", "--app=tests.queue.sample_tasks.app", "worker"]
Spawn = Callable[..., subprocess.Popen]


@pytest.fixture
def spawn(database: Address, tmp_path: Path) -> Iterator[Spawn]:
    """Return a function that starts a stock worker of the sample app."""
    processes: list[subprocess.Popen] = []

    def start(name: str = "w") -> subprocess.Popen:
        processes.append(spawn_worker(database, tmp_path / f"{name}.log", name, COMMAND))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.wait()


# ---------------------------------------------------------------------------------------------------- revoking


def test_what_was_revoked_does_not_run_also_after_a_restart(work: Work) -> None:
    result = sample.add.delay(1)
    assert result.revoke() == 1
    assert result.revoke() == 0
    work()  # a worker that starts afterwards, and has never heard of it
    assert result.state == "REVOKED"
    with pytest.raises(TaskRevoked, match="revoked"):
        result.get(timeout=60)


def test_many_are_revoked_in_one_statement_of_the_callers_transaction(conn: Connection) -> None:
    result = group(sample.add.s(n) for n in range(50)).delay()
    with conn.transaction(force_rollback=True):
        assert commands.revoke(result.job_ids, connection=conn) == 50
    assert {one.state for one in result} == {"PENDING"}
    with conn.transaction():
        assert commands.revoke(result.job_ids, connection=conn) == 50
    assert {one.state for one in result} == {"REVOKED"}


def test_a_running_task_is_told_and_its_worker_goes_on(spawn: Spawn, tmp_path: Path) -> None:
    spawn()
    path = tmp_path / "go"
    result = sample.wait_for_file.delay(str(path))
    wait_until((tmp_path / "go.started").exists, what="the task to start")
    assert result.state == "STARTED"
    assert result.revoke() == 1
    with pytest.raises(TaskRevoked):
        result.get(timeout=60)
    assert sample.add.delay(1).get(timeout=60) == 1


def test_a_revoked_task_does_not_come_back_by_a_retry(hands: Callable, conn: Connection) -> None:
    result, hand = sample.add.delay(1), hands()
    job = hand.fetch()
    result.revoke()
    assert hand.retry(job)
    assert result.state == "REVOKED"
    assert hand.fetch() is None


def test_terminate_reaches_the_worker_that_has_the_job(hands: Callable) -> None:
    gentle, hard, hand, other = sample.add.delay(1), sample.add.delay(2), hands(), hands()
    for _ in range(2):
        hand.fetch()
    gentle.revoke()
    hard.revoke(terminate=True)
    assert execute(hand.conn, "tasks_aborts", worker_id=hand.id).fetchall() == [
        {"id": gentle.job_id, "terminate": False},
        {"id": hard.job_id, "terminate": True},
    ]
    assert execute(hand.conn, "tasks_aborts", worker_id=other.id).fetchall() == []


# ------------------------------------------------------------------------------------------ pausing and draining


def test_a_paused_queue_is_left_alone(hands: Callable, conn: Connection) -> None:
    hand = hands()
    paused, other = sample.add.apply_async((1,), queue="a"), sample.add.apply_async((2,), queue="b")
    commands.pause("a")
    commands.pause("a")
    assert hand.fetch()["id"] == other.job_id
    assert hand.fetch() is None
    assert [(row["queue"], row["paused"]) for row in commands.queued(conn)] == [("a", True)]
    commands.resume("a")
    assert hand.fetch()["id"] == paused.job_id


def test_resuming_wakes_the_workers(spawn: Spawn) -> None:
    spawn()
    assert sample.add.delay(1).get(timeout=30) == 1
    commands.pause("default")
    result = sample.add.delay(2)
    commands.resume("default")
    assert result.get(timeout=60) == 2


def test_a_draining_worker_takes_nothing_new(hands: Callable, conn: Connection) -> None:
    one, two = hands(), hands()
    for hand, name in ((one, "ann"), (two, "bob")):
        execute(
            conn,
            "tasks_register",
            worker_id=hand.id,
            name=name,
            abilities=["cpu"],
            memory_mb=1,
            tasks=["add"],
            rules="[]",
            prepares="{}",
        )
    sample.add.delay(1)
    assert commands.drain("ann") == [one.id]
    assert one.fetch() is None
    assert [row["draining"] for row in commands.workers(conn)] == [True, False]
    commands.drain(one.id, draining=False)
    assert one.fetch() is not None


# ------------------------------------------------------------------------------------------------------ routing


def test_a_task_goes_where_it_can_run(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    result = sample.needs_magic.delay()
    work()
    assert result.state == "PENDING"
    monkeypatch.setenv("GANNS_ABILITIES", "cpu, magic")
    work()
    assert result.get(timeout=60) == "done"


def test_a_worker_takes_only_tasks_that_it_has_the_code_of(work: Work, conn: Connection) -> None:
    conn.execute(
        "SELECT procrastinate_defer_jobs_v1(ARRAY[ROW('default', 'of tomorrow', 0, NULL, NULL, '{}', NULL)"
        "::procrastinate_job_to_defer_v1])"
    )
    work()
    assert [row["task"] for row in commands.queued(conn)] == ["of tomorrow"]


def test_memory_is_required_in_megabytes(hands: Callable, conn: Connection) -> None:
    hand = hands()
    rule = '[{"task_name": "add", "requires": [], "memory_mb": 100, "burst": 1}]'

    def register(memory_mb: int) -> None:
        execute(
            conn,
            "tasks_register",
            worker_id=hand.id,
            name="a",
            abilities=[],
            memory_mb=memory_mb,
            tasks=["add"],
            rules=rule,
            prepares="{}",
        )

    sample.add.delay(1)
    register(99)
    assert hand.fetch() is None
    register(100)
    assert hand.fetch() is not None


# -------------------------------------------------------------------------------------------------- rate limits


def test_one_rate_limit_for_all_workers(spawn: Spawn, tmp_path: Path, conn: Connection) -> None:
    """Two workers start 5 tasks a second together. A limit for each would let them start ten."""
    path = tmp_path / "runs"
    for name in ("a", "b"):
        spawn(name)
    wait_until(lambda: len(commands.workers(conn)) == 2, what="two workers")
    group(sample.limited.s(str(path)) for _ in range(12)).delay()
    # The other task is not held up by the limited ones before it.
    assert sample.add.delay(1).get(timeout=60) == 1
    wait_until(lambda: path.exists() and len(path.read_text().splitlines()) == 12, what="12 runs")
    starts = conn.execute(
        "SELECT extract(epoch FROM e.at)::float8 FROM procrastinate_events e"
        " JOIN procrastinate_jobs j ON j.id = e.job_id WHERE e.type = 'started' AND j.task_name = 'limited' ORDER BY 1"
    ).fetchall()
    times = [row[0] for row in starts]
    # By the server's clock: within any span there are at most burst + rate * span starts (the burst is 1.25).
    for first in range(12):
        for last in range(first, 12):
            assert last - first + 1 <= 1.25 + 5 * (times[last] - times[first] + 0.05) + 1


def test_a_token_is_taken_once(hands: Callable, conn: Connection, work: Work) -> None:
    work()  # registers the rules
    group(sample.limited.s("/dev/null") for _ in range(3)).delay()
    hand = hands()
    assert hand.fetch() is not None
    conn.execute("UPDATE ganns.task_rules SET tokens = 0, filled_at = clock_timestamp() + interval '1 hour'")
    row = execute(hand.conn, "tasks_fetch", queues=None, worker_id=hand.id).fetchone()
    assert row["id"] is None
    assert row["wait_s"] > 0


# ---------------------------------------------------------------------------------------------------- inspecting


def test_inspect(hands: Callable, conn: Connection) -> None:
    hand = hands()
    sample.add.delay(1)
    sample.add.apply_async((1,), countdown=3600)
    running = sample.fail.apply_async(priority=1)
    hand.fetch()
    [active] = commands.active(conn)
    assert (active["job"], active["task"], active["worker"]) == (running.job_id, "fail", hand.id)
    assert active["running_s"] >= 0
    [row] = commands.queued(conn)
    assert (row["task"], row["num"], row["num_later"]) == ("add", 2, 1)
    assert commands.ping(conn) == {hand.id: True}
    assert {row["task"]: (row["queued"], row["running"]) for row in commands.stats(conn)} == {
        "add": (2, 0),
        "fail": (0, 1),
    }
    hand.fall_silent()
    assert commands.ping(conn) == {hand.id: False}
