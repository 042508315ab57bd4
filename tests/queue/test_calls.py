"""Calling: arguments checked when called, options, results, retries, expiry, the caller's transaction."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from ganns.db.connect import Connection
from ganns.errors import BadArguments, ResultTimeout, TaskFailed, TaskRevoked, TaskUsageError
from ganns.queue.commands import queued
from ganns.queue.decorator import task
from ganns.queue.options import RetryPolicy, parse_rate
from ganns.queue.results import AsyncResult
from ganns.queue.signature import Signature, signature
from tests.queue import sample_tasks as sample

Work = Callable[..., None]


def test_a_call_here_and_now() -> None:
    assert sample.add(1, 2) == 3


def test_a_result(work: Work) -> None:
    result = sample.add.delay(1, y=2)
    assert (result.state, result.ready(), result.result) == ("PENDING", False, None)
    work()
    assert result.get(timeout=60) == 3
    assert (result.state, result.successful(), result.failed()) == ("SUCCESS", True, False)


@pytest.mark.parametrize(
    ("args", "kwargs"), [((), {}), ((1, 2, 3), {}), ((1,), {"z": 1}), ((1,), {"x": 2}), ((object(),), {}), (({1},), {})]
)
def test_arguments_are_checked_when_called(args: tuple, kwargs: dict, conn: Connection) -> None:
    with pytest.raises(BadArguments, match="add"):
        sample.add.delay(*args, **kwargs)
    assert queued(conn) == []


@pytest.mark.parametrize("value", [float("nan"), float("inf"), b"bytes", "nul \0"])
def test_arguments_are_json(value: object) -> None:
    with pytest.raises(BadArguments, match="add"):
        sample.add.delay(value)


def test_any_parameters(work: Work) -> None:
    result = sample.spread.delay(1, 2, a=3)
    work()
    assert result.get(timeout=60) == {"values": [1, 2], "more": {"a": 3}}


def test_a_failure_has_its_traceback(work: Work) -> None:
    result = sample.fail.delay("because")
    work()
    with pytest.raises(TaskFailed, match="ValueError: because") as caught:
        result.get(timeout=60)
    assert "raise ValueError(message)" in (caught.value.traceback or "")
    assert result.traceback == caught.value.traceback
    assert isinstance(result.get(timeout=5, propagate=False), TaskFailed)
    assert (result.state, result.failed()) == ("FAILURE", True)


def test_bytes(work: Work) -> None:
    result = sample.raw.delay(1000)
    work()
    assert result.get(timeout=60) == bytes(range(256)) * 1000


def test_a_result_that_is_not_json_is_a_failure(work: Work) -> None:
    result = sample.nan.delay()
    work()
    with pytest.raises(TaskFailed, match="must be JSON"):
        result.get(timeout=60)


def test_ignored_results_are_not_stored(work: Work, conn: Connection) -> None:
    result = sample.quiet.delay()
    work()
    assert result.state == "SUCCESS"
    assert result.get(timeout=60) is None
    assert conn.execute("SELECT count(*) FROM ganns.task_results").fetchone() == (0,)


def test_a_timeout_leaves_the_task_alone(work: Work) -> None:
    result = sample.add.delay(1)
    with pytest.raises(ResultTimeout):
        result.get(timeout=0)
    work()
    assert result.get(timeout=60) == 1


def test_retries(work: Work, conn: Connection) -> None:
    result = sample.flaky.delay(2)
    work()
    assert result.get(timeout=60) == 2
    assert conn.execute("SELECT count(*) FROM ganns.task_attempts").fetchone() == (2,)


def test_retries_are_exhausted(work: Work) -> None:
    result = sample.flaky.delay(3)
    work()
    with pytest.raises(TaskFailed, match="failure 2"):
        result.get(timeout=60)


def test_a_task_that_waits_for_a_retry_says_why(hands: Callable) -> None:
    result, hand = sample.add.delay(1), hands()
    job = hand.fetch()
    assert result.state == "STARTED"
    assert hand.retry(job)
    assert (result.state, result.traceback) == ("RETRY", "an error")


def test_delays_double_up_to_the_cap() -> None:
    policy = RetryPolicy(jitter=False)
    assert [policy.delay_s(n) for n in (0, 1, 2, 3, 1000)] == [1.0, 2.0, 4.0, 5.0, 5.0]
    delays = {RetryPolicy().delay_s(10) for _ in range(20)}
    assert len(delays) > 1
    assert max(delays) <= 5.0


def test_countdown_and_eta(work: Work, conn: Connection) -> None:
    later = [
        sample.add.apply_async((1,), countdown=3600),
        sample.add.apply_async((1,), eta=datetime.now(UTC) + timedelta(hours=1)),
    ]
    work()
    assert [one.state for one in later] == ["PENDING"] * 2
    [row] = queued(conn)
    assert (row["num"], row["num_later"]) == (2, 2)
    with pytest.raises(BadArguments, match="no time zone"):
        sample.add.apply_async((1,), eta=datetime(2030, 1, 1))


def test_what_expired_does_not_run(work: Work) -> None:
    results = [sample.stale.delay(), sample.add.apply_async((1,), expires=0)]
    work()
    for result in results:
        with pytest.raises(TaskRevoked, match="expired"):
            result.get(timeout=60)


def test_queue_and_priority(hands: Callable) -> None:
    hand = hands()
    sample.add.apply_async((1,))
    urgent = sample.add.apply_async((2,), priority=5)
    other = sample.add.apply_async((3,), queue="other")
    assert hand.fetch()["id"] == urgent.job_id
    assert hand.fetch(["other"])["id"] == other.job_id


def test_the_callers_transaction(conn: Connection, work: Work) -> None:
    def enqueue() -> AsyncResult:
        return sample.add.apply_async((1,), connection=conn)

    with conn.transaction(force_rollback=True):
        undone = enqueue()
    with conn.transaction():
        done = enqueue()
        with pytest.raises(TaskUsageError, match="inside a transaction"):
            done.get()
    assert [row["num"] for row in queued(conn)] == [1]
    work()
    assert done.get(timeout=60) == 1
    assert undone.state == "PENDING"


def test_signatures(work: Work) -> None:
    partial = sample.add.s(2)
    full = partial.clone((1,))
    assert full.args == (1, 2)
    assert sample.add.si(1).clone((5,)).args == (1,)
    again = Signature.from_dict(json.loads(json.dumps(full.set(queue="q", countdown=0).to_dict())), sample.app)
    assert again.to_dict() == full.set(queue="q", countdown=0).to_dict()
    result = again.apply_async()
    work()
    assert result.get(timeout=60) == 3
    with pytest.raises(TaskUsageError, match="no option 'colour'"):
        full.set(colour="red")


def test_a_task_by_its_name(work: Work) -> None:
    result = signature("unknown.here", kwargs={"x": 1}, queue="q")
    assert result.plan() == [{"task": "unknown.here", "queue": "q", "args": {"x": 1}}]
    with pytest.raises(BadArguments, match="not loaded here"):
        signature("unknown.here", (1,)).plan()


def test_soft_time_limit(work: Work) -> None:
    result = sample.slow.delay()
    work()
    with pytest.raises(TaskFailed, match="SoftTimeLimitExceeded"):
        result.get(timeout=60)


def test_forget(work: Work, conn: Connection) -> None:
    result = sample.add.delay(1)
    work()
    result.forget()
    assert result.state == "PENDING"
    assert conn.execute("SELECT count(*) FROM procrastinate_jobs").fetchone() == (0,)


def test_wrong_definitions() -> None:
    async def coroutine() -> None:
        pass

    with pytest.raises(TaskUsageError, match="coroutine"):
        task(app=sample.app)(coroutine)
    with pytest.raises(TaskUsageError, match="already"):
        task(app=sample.app, name="add")(lambda: None)
    with pytest.raises(TaskUsageError, match="below time_limit"):
        task(app=sample.app, time_limit=1, soft_time_limit=2)
    with pytest.raises(TaskUsageError, match="memory:8192"):
        task(app=sample.app, requires=["memory:lots"])
    for text in ("10", "0/s", "1/d", "-1/s"):
        with pytest.raises(TaskUsageError, match="rate_limit"):
            parse_rate(text)
    assert parse_rate("120/m") == (2.0, 1.0)
