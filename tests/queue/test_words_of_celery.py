"""Calls as somebody writes them who knows Celery: they do what they do there, or a sentence says what to write."""

from __future__ import annotations

import enum
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import PurePath
from typing import Any

import numpy as np
import pytest

from ganns.db.connect import Connection
from ganns.errors import BadArguments, ResultTimeout, TaskUsageError
from ganns.queue.app import App
from ganns.queue.canvas import chain, chord, group
from ganns.queue.decorator import task
from ganns.queue.results import AsyncResult, GroupResult
from ganns.queue.values import from_plain, to_plain
from tests.queue import sample_tasks as sample

Work = Callable[..., None]


def test_a_canvas_takes_more_arguments_for_its_first_calls(work: Work) -> None:
    add, total = sample.add.s, sample.total.s
    results = [
        chain(add(1), add(10))(4),
        chain(add(1), add(10)).delay(4),
        chain(add(1), add(10)).apply_async((4,)),
        chord([add(1), add(2)], total()).delay(5),
        chain(group(add(1), chain(add(2), add(10))), total())(5),
    ]
    both = group(add(1), chain(add(2), add(3)))(5)
    work()
    assert [one.get(timeout=60) for one in results] == [15, 15, 15, 13, 23]
    assert both.get(timeout=60) == [6, 10]


def test_one_list_or_generator_makes_a_chain_and_one_signature_a_header() -> None:
    links = [sample.add.s(1), sample.add.s(2)]
    expected = chain(*links).plan()
    assert chain(links).plan() == chain(one for one in links).plan() == expected
    assert chord(links[0], sample.total.s()).plan() == chord(links[:1], sample.total.s()).plan()
    for wrong in ([], [print], ["add"]):
        with pytest.raises(TaskUsageError):
            chain(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [1.5, "1", True])
def test_a_quorum_is_a_whole_number(wrong: Any) -> None:
    header = [sample.add.s(1), sample.add.s(2)]
    with pytest.raises(TaskUsageError, match="quorum="):
        chord(header, sample.total.s(), quorum=wrong)
    if wrong is not True:
        with pytest.raises(TaskUsageError, match="quorum="):
            GroupResult(1, [1, 2]).join(quorum=wrong)


@pytest.mark.parametrize("eta", [5, "tomorrow", timedelta(seconds=1), date(2030, 1, 1), datetime(2030, 1, 1)])
def test_an_eta_is_a_time_with_a_zone(eta: Any, conn: Connection) -> None:
    with pytest.raises(BadArguments, match=r"eta=.*datetime\.now\(UTC\)"):
        sample.add.apply_async((1,), eta=eta)
    with pytest.raises(BadArguments, match=r"eta="):
        chain(sample.add.s(1).set(eta=eta), sample.add.s(1)).delay()
    assert sample.add.apply_async((1,), eta=datetime(2030, 1, 1, tzinfo=UTC)).state == "PENDING"


@pytest.mark.parametrize("wrong", ["ab", 1, {"x": 1}])
def test_positional_arguments_are_a_list(wrong: Any) -> None:
    """A text was taken apart into its letters."""
    for call in (sample.add.apply_async, sample.add.s().apply_async, chain(sample.add.s()).apply_async):
        with pytest.raises(BadArguments, match=r"args=.* of add must be a list or tuple"):
            call(wrong)
    with pytest.raises(BadArguments, match="kwargs=2 of add must be a dict"):
        sample.add.apply_async((1,), 2)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", ["4cc7438e-afd4-4f8f-a2f3-f46567e7ca77", 10**30, -5, 1.5, True, None, "", "\u0663"])
def test_an_id_is_a_jobs_number(wrong: Any) -> None:
    with pytest.raises(BadArguments, match=r"There is no task with the id .*such as 17"):
        AsyncResult(wrong)


def test_an_id_may_be_a_text(work: Work) -> None:
    result = sample.add.delay(1)
    work()
    assert AsyncResult(str(result.id)).get(timeout=60) == 1  # type: ignore[arg-type]


def test_a_timeout_is_a_number_and_says_when_nobody_has_begun(conn: Connection) -> None:
    result = sample.add.delay(1)
    for wrong in ("5", float("nan"), True, timedelta(seconds=5)):
        with pytest.raises(BadArguments, match="timeout="):
            result.get(timeout=wrong)  # type: ignore[arg-type]
    for one in (result, AsyncResult(99_999_999)):
        with pytest.raises(ResultTimeout, match=r"No worker has begun it .*ganns tasks workers.*no such task"):
            one.get(timeout=0)


# Each value, and what is to be typed instead.
INSTEAD = [
    ({1}, r"builtins.set .*list\("),
    (range(3), r"list\("),
    ((n for n in "ab"), r"list\("),
    (date(2030, 1, 1), r"datetime.date .*isoformat"),
    (np.float32(1.5), r"numpy.float32 .*tolist"),
    (np.bool_(True), r"numpy.bool_? .*tolist"),
    (np.zeros(2), r"numpy.ndarray .*tolist"),
    (b"x", r"bytes .*whole result"),
    (Decimal("1.5"), r"decimal.Decimal .*its numbers"),
    (PurePath("x"), r"pathlib.* its name"),
    (print, "its name"),
    (sample.add, "chain"),
    (AsyncResult(1), "AsyncResult .*chain"),
    (float("nan"), "nan is no finite number"),
    (float("-inf"), "-inf is no finite number"),
]


@pytest.mark.parametrize(("value", "said"), INSTEAD, ids=lambda one: str(one)[:30])
def test_a_value_that_cannot_be_sent_is_named_with_what_to_write(value: Any, said: str) -> None:
    for hidden in (value, [value], {"a": (value,)}):
        with pytest.raises(BadArguments, match=f"The arguments of echo must be JSON: .*{said}"):
            sample.echo.delay(hidden)


def test_what_contains_itself_is_said() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(BadArguments, match="contains itself"):
        sample.echo.delay(value)


def test_numbers_and_texts_of_a_class_of_their_own_are_sent() -> None:
    kind = enum.IntEnum("kind", {"ONE": 1})
    assert from_plain(to_plain([kind.ONE, np.float64(2.5)])) == [1, 2.5]


# ----------------------------------------------------------------------------------------------------- definitions

WRONG = [
    ({"retries": 3}, "@task has no option 'retries'; it has app, name, "),
    ({"rate_limit": 10}, "rate_limit=10: write a number above 0 and a unit"),
    ({"autoretry_for": ValueError}, r"write autoretry_for=\[ValueError\]"),
    ({"retry_for": OSError}, r"write retry_for=\[OSError\]"),
    ({"requires": "cuda"}, r"write requires=\['cuda'\]"),
]


@pytest.mark.parametrize(("options", "said"), WRONG, ids=repr)
def test_wrong_options_say_what_to_write(options: dict[str, Any], said: str) -> None:
    with pytest.raises(TaskUsageError, match=said):
        task(app=sample.app, **options)


def test_other_ways_to_write_a_task_say_what_to_write() -> None:
    with pytest.raises(TaskUsageError, match=r"@task\(app=app\)"):
        task(sample.app)  # type: ignore[type-var]
    with pytest.raises(TaskUsageError, match=r"@task\(app=app\)"):
        sample.app.task(lambda: None)
    with pytest.raises(TaskUsageError, match=r"App\(\['my_tasks'\]\)"):
        App("my_tasks")
    with pytest.raises(TaskUsageError, match="bind=True and no argument"):
        task(app=sample.app, bind=True)(lambda: None)


def test_retry_backoff_may_be_true() -> None:
    made = task(app=sample.app, name="backs_off", retry_backoff=True)(lambda: None)
    assert made.policy.backoff_s == 1.0
