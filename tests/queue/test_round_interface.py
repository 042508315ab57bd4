"""The calls with which a coordinator runs a round: all of them in its own transactions, none of them private."""

from __future__ import annotations

from collections.abc import Callable

from ganns.db.connect import Connection
from ganns.queue import rescue
from ganns.queue.canvas import group
from ganns.queue.commands import revoke
from ganns.queue.results import GroupResult
from ganns.queue.signature import signature
from tests.queue import sample_tasks as sample


def open_round(conn: Connection, num_units: int) -> GroupResult:
    """Enqueue units by the task's name: the coordinator must not import the task, which loads torch."""
    units = (
        signature("of.the.workers", kwargs={"run": 1, "round": 7, "unit": unit}, queue="gradients", app=sample.app)
        for unit in range(num_units)
    )
    return group(units).apply_async(connection=conn)


def rows(conn: Connection) -> list[tuple]:
    statement = (
        "SELECT id, status::text, attempts, (args ->> 'unit')::integer, queue_name FROM procrastinate_jobs ORDER BY id"
    )
    return conn.execute(statement).fetchall()


def test_a_round_is_opened_and_closed_in_the_callers_transactions(conn: Connection) -> None:
    with conn.transaction(force_rollback=True):
        open_round(conn, 3)
    assert rows(conn) == []
    with conn.transaction():
        jobs = open_round(conn, 3).job_ids
    assert rows(conn) == [(job, "todo", 0, unit, "gradients") for unit, job in enumerate(jobs)]
    with conn.transaction():
        assert revoke(jobs[1:], connection=conn) == 2
        following = open_round(conn, 2)
    assert [row[1] for row in rows(conn)] == ["todo", "cancelled", "cancelled", "todo", "todo"]
    following.forget()  # finished jobs only: the others are still wanted
    assert len(rows(conn)) == 5


def test_a_rescue_in_the_callers_transaction_says_whom_to_fence_off(hands: Callable, conn: Connection) -> None:
    [job] = open_round(conn, 1).job_ids
    dead = hands()
    held = dead.fetch(["gradients"])
    dead.fall_silent()
    with conn.transaction():
        assert rescue.rescue(conn) == [rescue.Rescued(job, 0, "retried")]
    assert rows(conn) == [(job, "todo", 1, 0, "gradients")]
    assert dead.finish(held) is False


def test_a_closed_round_is_forgotten(hands: Callable, conn: Connection) -> None:
    result, hand = open_round(conn, 2), hands()
    hand.finish(hand.fetch())
    hand.finish(hand.fetch())
    assert result.ready()
    result.forget()
    for table in ("procrastinate_jobs", "ganns.task_groups", "ganns.task_calls", "ganns.task_results"):
        assert conn.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table
