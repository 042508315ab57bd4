"""Whatever a table that workers write holds: the watcher, the dashboard's reads and `ganns top` go on."""

from __future__ import annotations

import json
import queue
from collections.abc import Iterator
from typing import Any
from unittest.mock import Mock

import psycopg
import pytest
from rich.console import Console

from benchmarks.lesson import Lesson
from ganns.db.address import Address
from ganns.db.connect import Connection
from ganns.monitor.events import parse
from ganns.monitor.people import look_at_person
from ganns.monitor.rows import clean
from ganns.monitor.topics import PeopleTopic, RunsTopic, RunTopic, message
from ganns.monitor.viewer import connect_viewer
from ganns.monitor.watcher import Watcher
from ganns.queue.commands import ping, workers
from ganns.queue.machine import FIGURES
from ganns.top.screen import screen, snapshot
from ganns.top.view import View
from tests.support.helpers import wait_until

HUGE = "x" * 3_000_000
INFOS = [
    '{"threads": 1e5000}',
    '{"up_mbit": 1e400, "down_mbit": -1, "images_per_s": true}',
    '{"up_mbit": 1e300, "down_mbit": "7", "images_per_s": 0}',
    '{"threads": 1e400, "memory_mb": -1e308, "device": 1e-400}',
    '{"gpu": "[/red] [link=x]\\u001b]0;mine\\u0007\\u202e\\n"}',
    '{"device": {"a": []}, "gpu": ' + "[" * 3000 + "]" * 3000 + "}",
    f'{{"gpu": "{HUGE}"}}',
    "[1, 2]",
    '"device"',
    "7",
    "null",
]


@pytest.fixture
def viewer(database: Address) -> Iterator[Connection]:
    with connect_viewer(database, "a test") as conn:
        yield conn


def looked(viewer: Connection, run: int) -> list[dict[str, Any]]:
    """The messages of all topics, as a strict browser reads them."""
    texts: list[str] = []
    for topic in (RunTopic(run), PeopleTopic(run), RunsTopic()):
        topic.look(viewer, [])
        texts += topic.whole()

    def refuse(text: str) -> None:
        raise AssertionError(f"{text} is no JSON")

    assert all(len(text) < 100_000 for text in texts)
    return [json.loads(text, parse_constant=refuse) for text in texts]


def draw(messages: list[dict[str, Any]], run: int) -> str:
    view = View(run)
    view.turn_to(run)
    for one in messages:
        view.take(json.dumps(one))
    console = Console(width=160, height=48, color_system=None)
    with console.capture() as captured:
        console.print(screen(view, 160, 48))
        console.print(snapshot(view, 160))
    return captured.get()


@pytest.mark.parametrize("info", INFOS, ids=[one[:20] for one in INFOS])
def test_what_a_worker_says_of_its_machine_ends_no_watcher(conn: Connection, viewer: Connection, info: str) -> None:
    lesson = Lesson(conn, num_workers=2, units=2, spares=0)
    lesson.past(3, samples=0)
    lesson.open()
    conn.execute("UPDATE ganns.workers SET info = %s::jsonb WHERE name = 'anna'", (info,))
    messages = looked(viewer, lesson.run)
    people = {one["name"]: one for found in messages if found["type"] == "people" for one in found["people"]}
    assert people["anna"]["images"] == people["ben"]["images"] > 0
    assert {key: people["anna"][key] for key in FIGURES} == dict.fromkeys(FIGURES)
    text = draw(messages, lesson.run)
    assert "anna" in text
    assert "ben" in text
    assert "\x1b" not in text
    clean(look_at_person(viewer, "anna"))


def test_numbers_that_are_none_end_no_watcher(conn: Connection, viewer: Connection) -> None:
    lesson = Lesson(conn, num_workers=2, units=2, spares=0)
    lesson.past(4, samples=0, evaluate_every=2)
    lesson.open()
    run = (lesson.run,)
    conn.execute("UPDATE ganns.ledger SET seconds = 'NaN', network_s = 'Infinity' WHERE run_id = %s AND round = 1", run)
    conn.execute(
        """UPDATE ganns.metrics SET metrics = '{"d_loss": 1e400, "g_loss": "text", "odd": [1], "\\u001b": 1}',
           timings = '[1]' WHERE run_id = %s AND round = 2""",
        run,
    )
    conn.execute("""UPDATE ganns.evaluations SET metrics = metrics || '{"fid": 1e400, "kid": {}}'""")
    for name, heartbeat in (("anna", "infinity"), ("ben", "-infinity")):
        conn.execute(
            "UPDATE procrastinate.procrastinate_workers SET last_heartbeat = %s WHERE id IN "
            "(SELECT id FROM ganns.workers WHERE name = %s)",
            (heartbeat, name),
        )
    messages = {one["type"]: one for one in looked(viewer, lesson.run)}
    assert messages["history"]["columns"]["d_loss"][2] is None
    assert len(messages["history"]["columns"]["g_loss"]) == 4
    assert messages["evaluations"]["rows"][0]["fid"] is None
    assert "anna" in draw(list(messages.values()), lesson.run)
    assert [row["silent_s"] for row in workers(conn)] == [None, None]
    assert set(ping(conn).values()) == {False}


NOTES = ["[" * 7900, '{"event": ["closed"]}', '{"event": {}}', f'{{"event": "closed", "run": {"9" * 5000}}}']


@pytest.mark.parametrize("note", [*NOTES, '{"event": "closed", "run": 1e3}', '{"event": "closed", "run": -1}'])
def test_a_notification_of_any_kind_is_dropped(note: str) -> None:
    assert parse(note) is None


def test_the_thread_goes_on(database: Address, conn: Connection, viewer: Connection) -> None:
    """With hostile rows and notifications; and with an error that nothing above expects, which one topic has."""
    lesson = Lesson(conn, num_workers=2, units=2, spares=0)
    lesson.past(2, samples=0)
    heard: queue.Queue[dict[str, Any]] = queue.Queue()
    watcher = Watcher(database, "a test")
    watcher.start()

    def await_type(kind: str, text: str | None = None) -> dict[str, Any]:
        while (one := heard.get(timeout=60))["type"] != kind or (text is not None and one["text"] != text):
            pass
        return one

    keys = [("run", lesson.run), ("people", lesson.run)]
    with watcher.watching(keys, lambda texts: [heard.put(json.loads(text)) for text in texts]):
        await_type("people")
        conn.execute("UPDATE ganns.workers SET info = %s::jsonb", (INFOS[0],))
        for note in NOTES:
            conn.execute("SELECT pg_notify('ganns_events', %s)", (note[:7900],))
        lesson.play()
        assert [one["machine"]["threads"] for one in await_type("people")["people"]] == [None, None]
        topic = watcher._watched["people", lesson.run].topic
        real = topic.look
        for wrong in (ZeroDivisionError("injected"), psycopg.DataError("injected")):
            topic.look = Mock(side_effect=wrong)  # type: ignore[method-assign]
            wait_until(lambda wrong=wrong: type(wrong).__name__ in await_type("trouble")["text"], 60, "the trouble")
        lesson.play()
        await_type("history")  # the other topic goes on
        topic.look = real  # type: ignore[method-assign]
        await_type("trouble", "")
        assert watcher.is_alive()
    watcher.stop()
    watcher.join(30)


def test_the_connection_reads_every_number(viewer: Connection, conn: Connection) -> None:
    """psycopg's own reader raises, and so did every look of a watcher."""
    assert viewer.execute("SELECT '[1e5000, 1e400, 0.1, 12345678901234567890, 7]'::jsonb").fetchone() == (
        [None, None, 0.1, 12345678901234567890, 7],
    )
    assert viewer.execute("SELECT (repeat('[', 3000) || repeat(']', 3000))::jsonb").fetchone() == (None,)
    with pytest.raises((ValueError, psycopg.Error)):
        conn.execute("SELECT '1e5000'::jsonb").fetchone()


def test_a_message_is_json_for_every_browser() -> None:
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    sent = message("x", numbers=[float("nan"), float("inf"), 2**60, 1.5, True], deep=deep, text="a\x1b[2J\u202eb")
    found = json.loads(sent)
    assert found["numbers"] == [None, None, None, 1.5, True]
    assert found["text"] == "a?[2J?b"
    assert len(message("x", text="y" * 50_000_000)) < 5000
