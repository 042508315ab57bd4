"""Whatever a task raises or returns, the end of its attempt is recorded: no job of a live worker stays `doing`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from ganns.db.connect import Connection
from ganns.db.queries import execute
from ganns.errors import BadArguments, ChordFailed, TaskFailed, TaskUsageError
from ganns.queue import rescue
from ganns.queue.canvas import chord
from ganns.queue.decorator import task
from ganns.queue.signature import signature
from tests.queue import sample_tasks as sample

Work = Callable[..., None]


def statuses(conn: Connection) -> set[str]:
    return {row[0] for row in conn.execute("SELECT status::text FROM procrastinate_jobs").fetchall()}


HARD = {
    "a path that is not UTF-8": r"OSError: cannot read /data/\\udcff.png",
    "an error without a text": "Unreadable: <its message cannot be read: RuntimeError>",
    "StopIteration": "StopIteration",
    "SystemExit": "SystemExit: 3",
    "retry with a text that is not UTF-8": r"Retry: \\udcff",
    "retry with 1e20": r"BadArguments: countdown=1e\+20 must be between 0 and",
    "retry with NaN": "BadArguments: countdown=nan must be a number of seconds",
    "retry with a text": "BadArguments: countdown='soon' must be a number of seconds",
    "a Retry of its own": r"BadArguments: countdown=1e\+20",
    "a result that is too large": "BadArguments: The result of raises has 200,000,001 bytes",
}


def test_each_end_is_recorded(work: Work, drained: Callable[[], None], conn: Connection) -> None:
    results = {what: sample.raises.delay(what) for what in HARD}
    members = [chord([sample.raises.s(what)], sample.total.s()).delay() for what in HARD]
    again = sample.unreadable_retry.delay()
    drained()
    assert statuses(conn) == {"failed"}
    for what, said in HARD.items():
        with pytest.raises(TaskFailed, match=said):
            results[what].get(timeout=60)
    for member in members:
        with pytest.raises(ChordFailed):
            member.get(timeout=60)
    assert again.state == "FAILURE"
    retries = conn.execute("SELECT job_id FROM ganns.task_attempts WHERE kind = 'retry'").fetchall()
    assert (again.job_id,) in retries


def test_a_retry_that_the_server_refuses_is_a_failure(conn: Connection, work: Work) -> None:
    conn.execute("ALTER TABLE ganns.task_attempts ADD CHECK (attempt <> 0)")
    result = sample.flaky.delay(2)
    work()
    with pytest.raises(TaskFailed, match="ResultRefused: CheckViolation"):
        result.get(timeout=60)


def test_a_failure_that_the_server_refuses_twice_ends_the_job(conn: Connection, work: Work) -> None:
    conn.execute("ALTER TABLE ganns.task_results ADD CHECK (state = 'SUCCESS')")
    result = sample.fail.delay()
    work()
    assert statuses(conn) == {"failed"}
    assert result.state == "FAILURE"


def test_arguments_that_python_cannot_read_fail_their_job(conn: Connection, work: Work) -> None:
    """Other clients may write numbers of 5,000 digits. The worker would fetch such a job again and again."""
    result = sample.echo.delay(1)
    conn.execute("UPDATE procrastinate_jobs SET args = jsonb_build_object('value', repeat('9', 5000)::numeric)")
    work()
    with pytest.raises(TaskFailed, match="BadArguments"):
        result.get(timeout=60)


def test_a_chord_whose_body_cannot_be_enqueued_fails(conn: Connection, work: Work) -> None:
    """Its last member could not end, and the upkeep of all groups would fail."""
    result = chord([sample.add.s(1)], sample.total.s(), grace=0.0).delay()
    late = chord([sample.add.s(1)], sample.total.s(), deadline=0.0, quorum=1).delay()
    spoil = """UPDATE ganns.task_groups SET rest = jsonb_set(rest, '{0,delay_s}', '"soon"') WHERE rest IS NOT NULL"""
    assert conn.execute(spoil).rowcount == 2
    work()
    rescue.enforce_deadlines(conn)
    for one in (result, late):
        with pytest.raises(ChordFailed, match="cannot be enqueued"):
            one.get(timeout=60)
    assert statuses(conn) == {"succeeded"}


def test_a_job_that_its_worker_does_not_know_is_queued_again(hands: Callable, conn: Connection) -> None:
    hand = hands()
    result = sample.add.delay(1)
    hand.fetch()

    def beat(*held: int) -> None:
        execute(conn, "tasks_beat", worker_id=hand.id, held=list(held))

    beat()
    assert result.state == "STARTED"  # the answer to the fetch may be on its way
    conn.execute("UPDATE procrastinate_events SET at = at - interval '1 minute' WHERE type = 'started'")
    assert result.job_id is not None
    beat(result.job_id)
    execute(conn, "tasks_beat", worker_id=hand.id, held=None)  # the supervisor's, which does not know the jobs
    assert result.state == "STARTED"
    beat()
    assert result.state == "RETRY"


def test_a_stock_workers_heartbeat_names_its_jobs(conn: Connection) -> None:
    async def beat() -> list[Any]:
        async with sample.app.open_async():
            manager = sample.app.job_manager
            worker_id = await manager.register_worker()
            sample.add.delay(1)
            sample.add.delay(2)
            kept, lost = [await manager.fetch_job(None, worker_id) for _ in range(2)]
            assert kept is not None
            assert lost is not None
            del manager.retries[lost.id or 0]
            conn.execute("UPDATE procrastinate_events SET at = at - interval '1 minute' WHERE type = 'started'")
            await manager.update_heartbeat(worker_id)
            manager.retries.clear()
            return [kept.id, lost.id]

    kept, lost = asyncio.run(beat())
    rows = conn.execute("SELECT id, status::text FROM procrastinate_jobs").fetchall()
    assert dict(rows) == {kept: "doing", lost: "todo"}


@pytest.mark.parametrize("value", [1e20, float("nan"), "soon", -1, True])
def test_times_are_checked_when_called(value: Any, conn: Connection) -> None:
    for option in ("countdown", "expires"):
        with pytest.raises(BadArguments, match=option):
            sample.add.apply_async((1,), **{option: value})
    for option in ("deadline", "grace"):
        with pytest.raises(BadArguments, match=option):
            chord([sample.add.s(1)], sample.total.s(), **{option: value})
    for option in ("retry_backoff", "retry_backoff_max", "time_limit", "soft_time_limit", "expires"):
        if option == "retry_backoff" and value is True:  # as in Celery: one second
            continue
        with pytest.raises(BadArguments, match=option):
            task(app=sample.app, **{option: value})


@pytest.mark.parametrize(
    "options",
    [
        *({"priority": value} for value in (1.5, 2**40, True, "high")),
        *({"queue": name} for name in ("x" * 41, "\u5f20" * 14, "nul\0", "\ud800", "", 3)),
    ],
    ids=repr,
)
def test_other_options_are_checked_when_called(options: dict[str, Any], conn: Connection) -> None:
    with pytest.raises(BadArguments, match=next(iter(options))):
        sample.add.apply_async((1,), **options)
    with pytest.raises(BadArguments, match=next(iter(options))):
        task(app=sample.app, **options)


def test_the_longest_names_work_and_longer_ones_are_refused(work: Work, conn: Connection) -> None:
    result = sample.add.apply_async((1,), queue="q" * 40)
    work()
    assert result.get(timeout=60) == 1
    for name in ("t" * 129, "nul\0"):
        with pytest.raises(BadArguments, match="task="):
            signature(name).delay()
        with pytest.raises(BadArguments, match="name="):
            task(app=sample.app, name=name)(lambda: None)
    assert signature("t" * 128).delay().state == "PENDING"


def test_a_task_that_waits_for_another_one_is_refused(work: Work) -> None:
    """With one worker it would wait for ever."""
    result = sample.waits.delay()
    work()
    with pytest.raises(
        TaskFailed, match=r"The task waits waits for the result of another one: .* Use a chain or a chord"
    ):
        result.get(timeout=60)
    assert sample.add.delay(1).state == "PENDING"  # here it may be awaited


def test_what_is_no_error_cannot_be_retried_for() -> None:
    with pytest.raises(TaskUsageError, match="autoretry_for"):
        task(app=sample.app, autoretry_for=[3])  # type: ignore[list-item]
    with pytest.raises(TaskUsageError, match="max_retries"):
        task(app=sample.app, max_retries=-1)


def test_only_a_lost_connection_is_tried_again() -> None:
    from ganns.queue.connection import is_lost

    assert is_lost(psycopg.OperationalError("server closed the connection"))
    assert not is_lost(psycopg.errors.ProgramLimitExceeded("too large"))  # psycopg calls it operational, too
    assert not is_lost(psycopg.errors.CheckViolation("no"))
