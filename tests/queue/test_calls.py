"""Calling: arguments checked when called, options, results, retries, expiry, the caller's transaction."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ganns.db.connect import Connection, cut
from ganns.errors import BadArguments, DatabaseUnreachable, ResultTimeout, TaskFailed, TaskRevoked, TaskUsageError
from ganns.queue import connection
from ganns.queue.app import App, default_app, set_default
from ganns.queue.canvas import chain, chord, group
from ganns.queue.commands import queued
from ganns.queue.decorator import task
from ganns.queue.options import RetryPolicy, parse_rate
from ganns.queue.results import AsyncResult
from ganns.queue.signature import Signature, signature
from tests.queue import sample_tasks as sample
from tests.support.helpers import wait_until

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


# ------------------------------------------------------------------------------------------------- Celery's names


def test_other_names_of_a_result(work: Work) -> None:
    result = sample.add.delay(1)
    work()
    assert (result.id, result.status, result.wait(timeout=60)) == (result.job_id, "SUCCESS", 1)
    assert chain(sample.add.s(1)).delay().id is None


def test_a_task_without_options_and_brackets() -> None:
    before = default_app()
    set_default(sample.app)
    try:

        @task
        def bare(x: int) -> int:
            return x

        assert bare(3) == 3
        assert bare.name in sample.app.tasks
        assert bare.delay(4).state == "PENDING"
    finally:
        if before is not None:
            set_default(before)


def test_retry_with_its_reason(drained: Callable[[], None]) -> None:
    """The reason is the failure when no retry is left."""
    result = sample.asks_again.delay()
    drained()
    with pytest.raises(TaskFailed, match="KeyError: 'the reason'") as caught:
        result.get(timeout=60)
    assert "Retry: KeyError: 'the reason'" in (caught.value.traceback or "")


def test_signatures_can_be_called(work: Work) -> None:
    assert sample.add.s(1)(2) == 3
    with pytest.raises(TaskUsageError, match="not loaded here"):
        signature("unknown.here", kwargs={"x": 1})()
    results = [chain(sample.add.s(1), sample.add.s(2))(), chord([sample.add.s(4)])(sample.total.s())]
    both = group(sample.add.s(5), sample.add.s(6))()
    for _ in range(2):
        work()
    assert [one.get(timeout=60) for one in results] == [3, 4]
    assert both.join(timeout=60) == [5, 6]
    with pytest.raises(TaskUsageError, match="no body"):
        chord([sample.add.s(4)]).delay()


def test_a_countdown_before_a_chain_a_group_and_a_chord(conn: Connection) -> None:
    members = [sample.add.s(1), chain(sample.add.s(2), sample.add.s(3))]
    for one in (chain(sample.add.s(0), group(members)), group(members), chord(members, sample.total.s())):
        one.apply_async(countdown=3600)
    [row] = queued(conn)
    assert (row["num"], row["num_later"]) == (5, 5)
    with pytest.raises(BadArguments, match="countdown"):
        group(members).apply_async(countdown=float("nan"))


def test_members_in_lists_and_generators() -> None:
    a, b, c = (sample.add.s(n) for n in range(3))
    for one in (group([a, b], c), group(a, [b, c]), group((n for n in (a, b)), [c]), group([a, b, c])):
        assert [member["args"] for [member] in one.plan()[0]["group"]] == [{"x": 0}, {"x": 1}, {"x": 2}]
    assert len(chord([[a, b], c], sample.total.s()).header.members) == 3


@pytest.mark.parametrize("wrong", [sample.add, 3, "add", {"add": 1}, None, [[sample.add.s(1)]]])
def test_what_is_no_signature_is_refused(wrong: Any) -> None:
    a = sample.add.s(1)
    for build in (lambda: group(a, wrong), lambda: group([a, wrong]), lambda: chain(a, wrong), lambda: a | wrong):
        with pytest.raises(TaskUsageError):
            build()
    with pytest.raises(TaskUsageError):
        chord([a], wrong or 3)


def test_the_message_names_the_task_without_s() -> None:
    with pytest.raises(TaskUsageError, match=r"The task add has no arguments here: write add\.s\("):
        group(sample.add.s(1), sample.add)  # type: ignore[arg-type]


VALUES = [
    {1: "a", 2: {"b": (1, 2)}},
    (1, (2, []), "x"),
    {"$tuple": [1]},
    {"$result": 7},
    {"b": 2, "$dict": 1},  # PostgreSQL sorts the keys
    {True: 1, None: 2, 1.5: 3},
    [1e22, -0.0, 1e300, 0.1, 5e-324],
    {},
    [[], ()],
]


def test_values_return_as_they_were(work: Work) -> None:
    results = [sample.echo.delay(value) for value in VALUES]
    through = chain(sample.echo.s((1, {2: 3})), sample.echo.s()).delay()
    joined = chord([sample.echo.s((1,)), sample.echo.s({2: 3})], sample.echo.s()).delay()
    for _ in range(2):
        work()
    for value, result in zip(VALUES, results, strict=True):
        found = result.get(timeout=60)
        assert repr(found) == repr(value)
    assert through.get(timeout=60) == (1, {2: 3})
    assert joined.get(timeout=60) == [(1,), {2: 3}]


@pytest.mark.parametrize("value", [{(1, 2): 3}, {b"k": 1}, {1, 2}, object(), [b"bytes"]])
def test_other_values_are_refused_by_name(value: object, conn: Connection) -> None:
    with pytest.raises(BadArguments, match=r"The arguments of echo must be JSON: .*(tuple|bytes|set|object)"):
        sample.echo.delay(value)


# --------------------------------------------------------------------------------------------- lost connections


def end_connections(conn: Connection) -> int:
    kill = "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity WHERE application_name = %s"
    row = conn.execute(kill, ["ganns tasks"]).fetchone()
    assert row is not None
    return int(row[0])


def test_the_first_call_after_a_dropped_connection(conn: Connection, work: Work) -> None:
    result = sample.add.delay(1)
    assert end_connections(conn) == 1
    again = sample.add.delay(2)
    assert end_connections(conn) == 1
    assert result.state == "PENDING"
    work()
    assert end_connections(conn) == 1
    assert [result.get(timeout=60), again.get(timeout=60)] == [1, 2]


def test_a_connection_that_is_lost_in_a_call(conn: Connection) -> None:
    """Cut between the look at the socket and the answer: a question is asked again, a call that enqueues is not."""
    result = sample.add.delay(1)
    own = connection.using(None)
    fired = 0

    def cut_once(*_: Any) -> bool:
        nonlocal fired
        fired += 1
        cut(own)
        return True

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection, "_is_open", cut_once)
        with pytest.raises(DatabaseUnreachable, match="may be there or not"):
            sample.add.delay(2)
    assert fired == 1
    assert result.state == "PENDING"
    own = connection.using(None)
    cut(own)
    assert result.state == "PENDING"


def test_waiting_goes_on_after_a_lost_connection(conn: Connection, hands: Callable) -> None:
    result, hand = sample.add.delay(1), hands()
    values: list[Any] = []

    def wait() -> None:
        values.append(result.get(timeout=60))
        connection.close()

    thread = threading.Thread(target=wait)
    thread.start()
    listens = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT wanted.job_id%%' AND state = 'idle'"
    wait_until(lambda: conn.execute(listens).fetchone() != (0,), what="the thread to wait")
    assert end_connections(conn) >= 1
    hand.finish(hand.fetch(), "1")
    thread.join(60)
    assert values == [1]


# -------------------------------------------------------------------------------------------- expiry, times due


def test_the_expiry_of_results_is_a_setting(conn: Connection, work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample.app, "result_expires", 3600.0)
    sample.add.delay(1)
    work()
    row = conn.execute("SELECT extract(epoch FROM expires_at - finished_at)::float8 FROM ganns.task_results").fetchone()
    assert row is not None
    assert 3590 < row[0] <= 3600
    assert App([], result_expires=5).result_expires == 5.0
    with pytest.raises(BadArguments, match="result_expires"):
        App([], result_expires=float("nan"))


def test_a_job_that_is_due_wakes_a_worker_that_polls_seldom(conn: Connection) -> None:
    """An eta, a retry's delay and a rate limit: without the clock, the next look would be a minute later."""

    async def run() -> None:
        async with sample.app.open_async():
            worker = asyncio.create_task(
                sample.app.run_worker_async(install_signal_handlers=False, fetch_job_polling_interval=600.0)
            )
            later = sample.add.apply_async((1,), countdown=0.4)
            again = sample.flaky_later.delay()
            limited = [sample.limited.delay("/dev/null") for _ in range(3)]
            async with asyncio.timeout(120):
                while not all(one.ready() for one in (later, again, *limited)):
                    await asyncio.sleep(0.05)
            worker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await worker

    asyncio.run(run())
    assert conn.execute("SELECT count(*) FROM ganns.task_attempts").fetchone() == (1,)
