"""Chains, groups and chords: the body runs exactly once, and what cannot succeed fails at once, saying why."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from ganns.db.connect import Connection
from ganns.db.queries import execute
from ganns.errors import BadArguments, ChordFailed, TaskFailed, TaskRevoked, TaskUsageError
from ganns.queue import rescue
from ganns.queue.canvas import chain, chord, group
from ganns.queue.commands import queued
from tests.queue import sample_tasks as sample
from tests.support.helpers import wait_until

Work = Callable[..., None]


def num_bodies(conn: Connection, task: str = "total") -> int:
    row = conn.execute("SELECT count(*) FROM procrastinate_jobs WHERE task_name = %s", [task]).fetchone()
    return row[0] if row else 0


def states(conn: Connection) -> list[str]:
    return [row[0] for row in conn.execute("SELECT status::text FROM procrastinate_jobs ORDER BY id")]


def test_a_chain(work: Work) -> None:
    result = (sample.add.s(1, 2) | sample.add.s(10) | sample.add.si(100)).delay()
    assert (result.state, result.result) == ("PENDING", None)
    work()
    assert result.get(timeout=60) == 100
    result = chain(sample.add.s(1, 2), sample.add.s(10), sample.spread.s(7, a=1)).delay()
    work()
    assert result.get(timeout=60) == {"values": [13, 7], "more": {"a": 1}}


def test_a_chain_is_checked_when_called(conn: Connection) -> None:
    with pytest.raises(BadArguments, match="the previous task's result"):
        chain(sample.add.s(1), sample.quiet.s()).delay()
    assert queued(conn) == []


def test_a_chain_ends_where_it_fails(work: Work, conn: Connection) -> None:
    result = chain(sample.fail.s("here"), sample.add.s(1)).delay()
    work()
    with pytest.raises(TaskFailed, match="ValueError: here") as caught:
        result.get(timeout=60)
    assert "Traceback" in (caught.value.traceback or "")
    assert num_bodies(conn, "add") == 0


def test_bytes_go_from_task_to_task(work: Work) -> None:
    one = (sample.raw.s(1) | sample.length.s()).delay()
    many = chord([sample.raw.s(n) for n in (1, 2, 3)], sample.lengths.s()).delay()
    work()
    assert one.get(timeout=60) == 256
    assert many.get(timeout=60) == [256, 512, 768]


def test_a_group(work: Work) -> None:
    result = group(sample.add.s(n) for n in range(10)).delay()
    assert len(result) == 10
    assert not result.ready()
    work()
    assert result.join(timeout=60) == list(range(10))
    assert (result.ready(), result.successful(), result.failed(), result.completed_count()) == (True, True, False, 10)
    assert [one.get(timeout=60) for one in result] == list(range(10))


def test_results_as_they_arrive(hands: Callable) -> None:
    result, hand = group(sample.add.s(n) for n in range(3)).delay(), hands()
    jobs = [hand.fetch() for _ in range(3)]
    arriving = result.iterate(timeout=60)
    for index in (2, 0, 1):
        assert hand.finish(jobs[index], str(index))
        assert next(arriving) == (index, index)
    assert list(arriving) == []


def test_one_who_waits_is_woken(hands: Callable) -> None:
    result, hand = sample.add.delay(1), hands()
    got: list[object] = []
    thread = threading.Thread(target=lambda: got.append(result.get(timeout=60)))
    thread.start()
    hand.finish(hand.fetch(), "5")
    thread.join(60)
    assert got == [5]


def test_jobs_are_in_the_members_order(conn: Connection) -> None:
    with conn.transaction():
        result = group(sample.add.s(n) for n in range(100)).apply_async(connection=conn)
    rows = conn.execute("SELECT id, (args ->> 'x')::integer FROM procrastinate_jobs ORDER BY id").fetchall()
    assert rows == [(job, n) for n, job in enumerate(result.job_ids)]
    found = execute(conn, "tasks_group_jobs", group_ids=[result.id]).fetchall()
    assert found == [{"job_id": job} for job in result.job_ids]


def test_a_group_in_a_transaction_that_is_undone(conn: Connection) -> None:
    with conn.transaction(force_rollback=True):
        group(sample.add.s(n) for n in range(3)).apply_async(connection=conn)
        chord([sample.add.s(1)], sample.total.s()).apply_async(connection=conn)
    for table in ("procrastinate_jobs", "ganns.task_groups", "ganns.task_calls"):
        assert conn.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


def test_the_first_of_a_group(hands: Callable, conn: Connection) -> None:
    result, hand = group(sample.add.s(n) for n in range(5)).delay(), hands()
    jobs = [hand.fetch() for _ in range(3)]
    for index in (2, 0, 1):
        hand.finish(jobs[index], str(index))
    assert result.join(timeout=5, quorum=3) == [0, 1, 2]
    assert states(conn) == ["succeeded"] * 3 + ["cancelled"] * 2
    assert [one.state for one in result] == ["SUCCESS"] * 3 + ["REVOKED"] * 2


def test_a_group_whose_quorum_is_out_of_reach(work: Work) -> None:
    result = group(sample.fail.s("a"), sample.fail.s("b"), sample.add.s(1)).delay()
    work()
    with pytest.raises(ChordFailed, match="2 of 3 members"):
        result.join(timeout=5, quorum=2)


def test_a_chord(work: Work, conn: Connection) -> None:
    result = chord([sample.add.s(n) for n in range(5)], sample.total.s()).delay()
    assert result.state == "PENDING"
    work()
    assert result.get(timeout=60) == 10
    assert num_bodies(conn) == 1


def test_a_quorum_chord_revokes_the_rest(hands: Callable, conn: Connection) -> None:
    header = [sample.add.s(n) for n in range(5)]
    result, hand, sleeper = chord(header, sample.total.s(), quorum=3, spares=2).delay(), hands(), hands()
    late = sleeper.fetch()  # member 0 runs somewhere and does not come back in time
    jobs = [hand.fetch() for _ in range(3)]
    for job in reversed(jobs):
        assert num_bodies(conn) == 0
        hand.finish(job, str(job["args"]["x"]))
    body = hand.fetch()
    assert body["args"] == {"values": [1, 2, 3]}  # in the members' order
    assert states(conn) == ["doing", "succeeded", "succeeded", "succeeded", "cancelled", "doing"]
    assert [row["id"] for row in execute(conn, "tasks_aborts", worker_id=sleeper.id)] == [late["id"]]
    assert sleeper.finish(late, "0")  # its result is kept, and moves nothing any more
    hand.finish(body, "6")
    assert result.get(timeout=60) == 6
    assert num_bodies(conn) == 1


def test_a_chord_whose_member_fails_fails_at_once(hands: Callable, conn: Connection) -> None:
    result, hand = chord([sample.add.s(n) for n in range(3)], sample.total.s()).delay(), hands()
    hand.finish(hand.fetch(), error="ValueError: broken")
    with pytest.raises(ChordFailed, match=r"1 of 3 members failed.*quorum of 3.*ValueError: broken") as caught:
        result.get(timeout=60)
    assert caught.value.traceback == "ValueError: broken"
    assert states(conn) == ["failed", "cancelled", "cancelled"]
    assert num_bodies(conn) == 0


def test_spares_make_up_for_failures(work: Work) -> None:
    header = [sample.fail.s(), *[sample.add.s(n) for n in range(3)]]
    result = chord(header, sample.total.s(), quorum=3).delay()
    work()
    assert result.get(timeout=60) == 3


def test_a_retry_is_no_failure(work: Work, conn: Connection) -> None:
    """Celery's `chord error raised before retries are exhausted`."""
    result = chord([sample.flaky.s(2), sample.add.s(1)], sample.total.s()).delay()
    work()
    assert result.get(timeout=60) == 3
    assert num_bodies(conn) == 1


def test_exhausted_retries_are_a_failure(work: Work) -> None:
    result = chord([sample.flaky.s(3), sample.add.s(1)], sample.total.s()).delay()
    work()
    with pytest.raises(ChordFailed, match="failure 2"):
        result.get(timeout=60)


def test_a_duplicate_completion_changes_nothing(hands: Callable, conn: Connection) -> None:
    result, hand = chord([sample.add.s(n) for n in range(2)], sample.total.s()).delay(), hands()
    first, second = hand.fetch(), hand.fetch()
    assert [hand.finish(first, "1"), hand.finish(first, "1"), hand.finish(first, error="late")] == [True, False, False]
    assert num_bodies(conn) == 0
    assert [hand.finish(second, "2"), hand.finish(second, "2")] == [True, False]
    assert num_bodies(conn) == 1
    hand.finish(hand.fetch(), "3")
    assert result.get(timeout=60) == 3


def test_an_old_attempt_does_not_count(hands: Callable, conn: Connection) -> None:
    """A long task that was rescued runs twice; only the attempt that holds the job can end it."""
    result, sleeper, hand = sample.add.delay(1), hands(), hands()
    old = sleeper.fetch()
    sleeper.fall_silent()
    assert [one.fate for one in rescue.rescue(conn)] == ["retried"]
    assert sleeper.finish(old, "1") is False
    new = hand.fetch()
    assert sleeper.finish(old, "1") is False
    assert sleeper.retry(old) is False
    assert hand.finish(new, "2")
    assert result.get(timeout=60) == 2


def test_two_members_that_finish_in_the_same_instant(hands: Callable, conn: Connection) -> None:
    """Each transaction ends its member without seeing the other; still one of them, and one only, starts the body."""
    chord([sample.add.s(n) for n in range(2)], sample.total.s()).delay()
    one, two = hands(), hands()
    jobs = [one.fetch(), two.fetch()]
    ended = []
    thread = threading.Thread(target=lambda: ended.append(two.finish(jobs[1], "1")))
    with one.conn.transaction():
        assert one.finish(jobs[0], "0")
        thread.start()
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        wait_until(lambda: conn.execute(waiting).fetchone() != (0,), what="the second to wait for the first")
        assert ended == []
    thread.join(60)
    assert ended == [True]
    assert num_bodies(conn) == 1


def test_two_that_reach_the_quorum_together_do_not_deadlock(hands: Callable, conn: Connection) -> None:
    """The first closes the group and revokes the rest, while the second holds its own job and waits for the group."""
    chord([sample.add.s(n) for n in range(3)], sample.total.s(), quorum=1).delay()
    one, two = hands(), hands()
    jobs = [one.fetch(), two.fetch()]
    ended = []
    thread = threading.Thread(target=lambda: ended.append(two.finish(jobs[1], "1")))
    with one.conn.transaction():
        one.conn.execute("SELECT FROM ganns.task_groups WHERE quorum = 1 FOR UPDATE")
        thread.start()
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        wait_until(lambda: conn.execute(waiting).fetchone() != (0,), what="the second to wait for the group")
        assert one.finish(jobs[0], "0")
    thread.join(60)
    assert ended == [True]
    assert num_bodies(conn) == 1
    assert states(conn) == ["succeeded", "succeeded", "cancelled", "todo"]


def expire_deadlines(conn: Connection) -> None:
    conn.execute("UPDATE ganns.task_groups SET deadline_at = now() - interval '1 s' WHERE deadline_at IS NOT NULL")


def test_a_deadline_with_some_results(hands: Callable, conn: Connection) -> None:
    header = [sample.add.s(n) for n in range(3)]
    result, hand = chord(header, sample.total.s(), deadline=3600).delay(), hands()
    hand.finish(hand.fetch(), "7")
    rescue.enforce_deadlines(conn)
    assert num_bodies(conn) == 0
    expire_deadlines(conn)
    rescue.enforce_deadlines(conn)
    body = hand.fetch()
    assert body["args"] == {"values": [7]}
    hand.finish(body, "7")
    assert result.get(timeout=60) == 7


def test_a_deadline_with_none(conn: Connection) -> None:
    result = chord([sample.add.s(1)], sample.total.s(), deadline=3600).delay()
    expire_deadlines(conn)
    rescue.enforce_deadlines(conn)
    with pytest.raises(ChordFailed, match="deadline passed with none of 1 results"):
        result.get(timeout=60)
    assert states(conn) == ["cancelled"]


def test_a_grace_takes_more_results_in(hands: Callable, conn: Connection) -> None:
    header = [sample.add.s(n) for n in range(3)]
    chord(header, sample.total.s(), quorum=1, grace=3600).delay()
    hand = hands()
    hand.finish(hand.fetch(), "1")
    hand.finish(hand.fetch(), "2")
    rescue.enforce_deadlines(conn)
    assert num_bodies(conn) == 0
    conn.execute("UPDATE ganns.task_groups SET quorum_at = quorum_at - interval '2 hours'")
    rescue.enforce_deadlines(conn)
    assert hand.fetch()["args"] == {"values": [1, 2]}


def test_a_revoked_member_counts_as_failed(conn: Connection) -> None:
    result = chord([sample.add.s(n) for n in range(2)], sample.total.s()).delay()
    conn.execute("SELECT ganns.task_revoke(ARRAY(SELECT id FROM procrastinate_jobs ORDER BY id LIMIT 1), false)")
    with pytest.raises(ChordFailed, match="1 of 2 members failed"):
        result.get(timeout=60)


def test_a_member_cancelled_by_other_means_is_noticed(conn: Connection) -> None:
    result = chord([sample.add.s(n) for n in range(2)], sample.total.s()).delay()
    conn.execute("SELECT procrastinate_cancel_job_v1(min(id), false, false) FROM procrastinate_jobs")
    rescue.enforce_deadlines(conn)
    with pytest.raises(ChordFailed, match="outside the task framework"):
        result.get(timeout=60)


def test_a_job_that_was_being_fetched_while_its_group_closed(hands: Callable, conn: Connection) -> None:
    chord([sample.add.s(n) for n in range(2)], sample.total.s(), quorum=1).delay()
    one, two = hands(), hands()
    first = one.fetch()
    with two.conn.transaction():
        second = two.fetch()
        one.finish(first, "1")
    assert execute(conn, "tasks_aborts", worker_id=two.id).fetchall() == []
    rescue.enforce_deadlines(conn)
    assert [row["id"] for row in execute(conn, "tasks_aborts", worker_id=two.id)] == [second["id"]]


def test_a_chord_can_be_revoked(conn: Connection, work: Work) -> None:
    result = chord([sample.add.s(n) for n in range(3)], sample.total.s()).delay()
    assert result.revoke() >= 1
    work()
    with pytest.raises((ChordFailed, TaskRevoked)):
        result.get(timeout=60)
    assert num_bodies(conn) == 0
    result.forget()
    assert states(conn) == []


def test_canvases_inside_canvases(work: Work) -> None:
    inner = chord([sample.add.s(1), sample.add.s(2)], sample.total.s())
    results = {
        "chain then group then body": (
            chain(sample.add.s(1), group(sample.add.s(10), sample.add.s(20)), sample.total.s()),
            32,
        ),
        "chains in a chord": (chord([chain(sample.add.s(1), sample.add.s(1)), sample.add.s(5)], sample.total.s()), 7),
        "a chord in a chord": (chord([inner, sample.add.s(4)], sample.total.s()), 7),
        "a chord in a chain": (chain(inner, sample.add.s(10)), 13),
        "a group at the end": (chain(sample.add.s(1), group(sample.add.s(1), sample.add.s(2))), [2, 3]),
    }
    handles = {name: canvas.delay() for name, (canvas, _) in results.items()}
    members = group(inner, sample.add.s(9)).delay()
    work()
    assert {name: handle.get(timeout=60) for name, handle in handles.items()} == {
        name: expected for name, (_, expected) in results.items()
    }
    assert members.join(timeout=60) == [3, 9]


def test_a_failure_inside_reaches_the_outside(work: Work) -> None:
    inner = chord([sample.fail.s("deep"), sample.add.s(2)], sample.total.s())
    result = chord([inner, sample.add.s(4)], sample.total.s()).delay()
    work()
    with pytest.raises(ChordFailed, match=r"1 of 2 members failed.*deep"):
        result.get(timeout=60)


def test_numbers_that_do_not_fit() -> None:
    for numbers in ({"quorum": 3}, {"quorum": 0}, {"quorum": 1, "spares": 2}, {"spares": 2}):
        with pytest.raises(TaskUsageError):
            chord([sample.add.s(1), sample.add.s(2)], sample.total.s(), **numbers)
    with pytest.raises(TaskUsageError, match="empty group"):
        chord([], sample.total.s())


def test_an_inner_and_an_outer_group_that_close_together_do_not_deadlock(hands: Callable, conn: Connection) -> None:
    """The inner one holds itself and waits for the outer, while the outer closes and takes the inner ones with it."""
    inner = chord([sample.add.s(1)], sample.total.s())
    chord([group(sample.add.s(1)), sample.add.s(2), inner], sample.total.s(), quorum=1).delay()
    one, two = hands(), hands()
    jobs = sorted((one.fetch(), one.fetch(), one.fetch()), key=lambda job: job["group_id"])
    outer, inside = jobs[0], jobs[1]  # the outer group was made first
    ended = []
    thread = threading.Thread(target=lambda: ended.append(two.finish(inside, "1")))
    with one.conn.transaction():
        one.conn.execute("SELECT FROM ganns.task_groups WHERE id = %s FOR UPDATE", [outer["group_id"]])
        thread.start()
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        wait_until(lambda: conn.execute(waiting).fetchone() != (0,), what="the inner one to wait for the outer")
        assert one.finish(outer, "2")
    thread.join(60)
    assert ended == [True]
    rescue.enforce_deadlines(conn)
    assert num_bodies(conn) == 1
    assert one.fetch()["args"] == {"values": [2]}
