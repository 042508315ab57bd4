"""What is read from the database, by a role that may only read."""

from __future__ import annotations

import json
import queue
import re
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from benchmarks.lesson import Lesson
from ganns.db.address import Address
from ganns.db.connect import Connection
from ganns.monitor.events import NAMES, parse
from ganns.monitor.history import History, as_columns
from ganns.monitor.people import add_up, look_at_person, streaks
from ganns.monitor.settings import redact
from ganns.monitor.snapshot import look_at_run, remaining, speed, worth
from ganns.monitor.topics import PeopleTopic, RunsTopic, RunTopic
from ganns.monitor.viewer import connect_viewer
from ganns.monitor.watcher import Watcher
from tests.support.helpers import ROOT, wait_until


@pytest.fixture
def viewer(database: Address) -> Iterator[Connection]:
    with connect_viewer(database, "a test") as conn:
        yield conn


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ganns.runs SET name = 'mine'",
        "INSERT INTO ganns.ledger SELECT * FROM ganns.ledger",
        "SET default_transaction_read_only = off; DELETE FROM ganns.runs",
        "SELECT data FROM ganns.weights",
        "SELECT data FROM ganns.result_parts",
        "SELECT args FROM procrastinate.procrastinate_jobs",
    ],
)
def test_a_viewer_may_write_nothing_and_read_no_weights(viewer: Connection, statement: str) -> None:
    with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction)):
        viewer.execute(statement)  # type: ignore[call-overload]


def test_a_unit_is_seen_in_each_of_its_states(conn: Connection, viewer: Connection) -> None:
    lesson = Lesson(conn, num_workers=3, units=3, spares=1)
    lesson.past(5, samples=2, evaluate_every=5)
    lesson.open()
    lesson.claim(0)
    lesson.claim(1)
    lesson.submit(0)
    conn.execute("UPDATE ganns.units SET refused_from = '{1}' WHERE run_id = %s AND unit = 3", (lesson.run,))
    run = look_at_run(viewer, lesson.run)
    assert run is not None
    assert [one["round"] for one in run["rounds"]] == [4, 5]
    now = run["rounds"][1]
    assert now["open"]
    assert [unit["state"] for unit in now["units"]] == ["submitted", "computing", "waiting", "refused"]
    assert [unit["worker"] for unit in now["units"]] == ["anna", "ben", "", ""]
    assert run["samples"] == [0, 5]
    for unit in (1, 2):
        lesson.claim(unit)
        lesson.submit(unit)
    lesson.close()
    run = look_at_run(viewer, lesson.run)
    assert run is not None
    closed = next(one for one in run["rounds"] if one["round"] == 5)
    assert [unit["state"] for unit in closed["units"]] == ["accepted"] * 3 + ["cancelled"]
    assert look_at_run(viewer, 12345) is None


def test_a_class_is_worth_its_speed_over_that_of_its_median_worker(conn: Connection, viewer: Connection) -> None:
    assert worth(300.0, 120.0) == 2.5
    assert worth(None, 120.0) is worth(300.0, None) is worth(300.0, 0.0) is None
    lesson = Lesson(conn, num_workers=3, units=3, spares=0)
    lesson.past(5)
    images, seconds = [64.0, 128.0, 640.0], 1.0  # by worker: the slowest, the median one, the fastest
    for worker, num in zip(lesson.workers, images, strict=True):
        conn.execute(
            "UPDATE ganns.ledger SET images = %s, seconds = %s WHERE run_id = %s AND worker_id = %s",
            (num, seconds, lesson.run, worker),
        )
    run = look_at_run(viewer, lesson.run)
    assert run is not None
    assert run["images_per_s"] is not None
    assert run["machines"] == round(run["images_per_s"] / 128, 1)


def test_a_watcher_gets_the_whole_and_then_what_is_new(database: Address, conn: Connection) -> None:
    lesson = Lesson(conn, num_workers=2, units=2, spares=0)
    lesson.past(3, samples=2)
    heard: queue.Queue[dict[str, Any]] = queue.Queue()
    watcher = Watcher(database, "a test")
    watcher.start()

    def next_of(type_: str) -> dict[str, Any]:
        while (message := heard.get(timeout=60))["type"] != type_:
            pass
        return message

    keys = [("run", lesson.run), ("people", lesson.run), ("runs", 0)]
    with watcher.watching(keys, lambda texts: [heard.put(json.loads(text)) for text in texts]):
        first = next_of("history")
        assert (first["whole"], first["columns"]["round"]) == (True, [0, 1, 2])
        lesson.play()
        more = next_of("history")
        assert (more["whole"], more["columns"]["round"]) == (False, [3])
        assert next_of("run")["version"] in (3, 4)  # one look may fall between
        assert [len(watcher._watched[key].watchers) for key in keys] == [1, 1, 1]
    assert not watcher._watched
    watcher.stop()
    watcher.join(30)
    assert not watcher.is_alive()


def test_events_are_announced_and_reach_the_watcher(database: Address, conn: Connection) -> None:
    lesson = Lesson(conn, num_workers=2, units=2, spares=0)
    names: set[str] = set()
    watcher = Watcher(database, "a test")
    watcher.start()

    def deliver(texts: list[str]) -> None:
        for message in map(json.loads, texts):
            if message["type"] == "events":
                names.update(event["event"] for event in message["events"])

    with watcher.watching([("run", lesson.run)], deliver):
        time.sleep(0.5)  # an event before it listens would be missed, as it may be

        def play() -> bool:
            lesson.play()
            return {"opened", "claimed", "submitted", "closed"} <= names

        wait_until(play, 60, lambda: f"all events, got {names}", every_s=0.3)
    watcher.stop()
    watcher.join(30)


@pytest.mark.parametrize("payload", ["", "{", "[]", '{"event": "rm"}', '{"event": "claimed", "unit": "<b>"}', "null"])
def test_what_is_no_event_is_dropped(payload: str) -> None:
    assert parse(payload) is None


def test_a_run_is_told_of_its_own_events_and_of_who_joins() -> None:
    topic = RunTopic(7)
    assert topic.wakes({"event": "closed", "run": 7})
    assert topic.wakes({"event": "joined", "worker": 3})
    assert not topic.wakes({"event": "closed", "run": 8})


def test_an_event_keeps_its_numbers_only() -> None:
    assert parse('{"event": "claimed", "run": 1, "unit": 0, "x": "y"}') == {"event": "claimed", "run": 1, "unit": 0}


def test_a_garbage_notification_is_ignored(database: Address, conn: Connection) -> None:
    lesson = Lesson(conn, num_workers=1, units=1, spares=0)
    heard: queue.Queue[str] = queue.Queue()
    watcher = Watcher(database, "a test")
    watcher.start()
    with watcher.watching([("run", lesson.run)], lambda texts: [heard.put(text) for text in texts]):
        heard.get(timeout=60)
        conn.execute("SELECT pg_notify('ganns_events', 'garbage')")
        lesson.play()
        wait_until(lambda: '"history"' in heard.get(timeout=60), 60, "a message after the garbage")
    watcher.stop()
    watcher.join(30)


def test_speed_and_what_is_left() -> None:
    rates = [{"images": 400, "seconds": 12.0}, {"images": 200, "seconds": 10.0}, {"images": 0, "seconds": 8.0}]
    assert speed(rates) == (100.0, 30.0)
    assert speed(rates[:1]) == (None, None)
    run = {"state": "open", "version": 50, "images": 1000, "num_images": 1000}
    assert remaining({"rounds": 100}, run, 60.0, 10.0, 100.0) == {"done": 0.5, "left_s": 300.0}
    assert remaining({"epochs": 2, "minutes": 2}, run, 60.0, 10.0, 100.0) == {"done": 0.5, "left_s": 10.0}
    assert remaining({"rounds": 100}, run, 60.0, None, None) == {"done": 0.5, "left_s": None}
    assert remaining({}, {**run, "state": "finished"}, 60.0, 1.0, 1.0) == {"done": 1.0, "left_s": 0.0}


def test_history_has_a_column_a_metric_and_none_where_one_is_missing() -> None:
    row = {"images": 1, "seconds": 1.0, "bytes_up": None, "bytes_down": None, "timings": {}}
    rows = [{**row, "round": 0, "metrics": {"d_loss": 1.0}}, {**row, "round": 1, "metrics": {"went_back_to": 0.0}}]
    columns = as_columns(rows)
    assert columns["d_loss"] == [1.0, None]
    assert columns["went_back_to"] == [None, 0.0]


def test_a_long_history_is_thinned_and_keeps_its_last_round(conn: Connection) -> None:
    lesson = Lesson(conn, num_workers=1, units=1, spares=0)
    lesson.past(4100, samples=0, evaluate_every=10_000)
    history = History(lesson.run)
    assert history.look(conn) == 4100
    rounds = history.columns()["round"]
    assert len(rounds) <= 2001
    assert rounds[-1] == 4099


def test_streaks_end_with_the_first_round_that_is_missing() -> None:
    rows = [{"name": "anna", "round": r, "units": 1} for r in (1, 3, 4, 5)]
    rows += [{"name": "ben", "round": r, "units": 1} for r in (3, 4)] + [{"name": "late", "round": 5, "units": 0}]
    assert streaks(rows) == {"anna": 3, "ben": 0}


def test_credit_is_added_to_what_was_before() -> None:
    keys = ("images", "units", "late", "compute_s", "network_s", "all_images")
    before = {"anna": dict.fromkeys(keys, 1.0)}
    rows = [{"name": name, "round": 9, **dict.fromkeys(keys, 2), "network_s": None} for name in ("anna", "ben")]
    totals = add_up(before, rows)
    assert totals["anna"] == {**dict.fromkeys(keys, 3.0), "network_s": 1.0}
    assert totals["ben"]["images"] == 2
    assert before["anna"]["images"] == 1.0


def test_no_login_of_a_data_set_is_shown() -> None:
    config = {"data": {"url": "https://me:secret@host/faces.tar?sig=abc", "path": "/x"}, "list": ["s3://k:v@b/c"]}
    shown = json.dumps(redact(config))
    assert "secret" not in shown
    assert "abc" not in shown
    assert ":v@" not in shown
    assert "host/faces.tar" in shown
    assert redact({"data": {"path": "/home/me/faces"}}) == {"data": {"path": ".../faces"}}
    assert redact("C:\\faces") == ".../faces"
    assert redact("faces") == "faces"


def test_a_person_has_a_history(conn: Connection, viewer: Connection) -> None:
    lesson = Lesson(conn, num_workers=2, units=2, spares=0)
    lesson.past(3, samples=0)
    person = look_at_person(viewer, "ben")
    assert {unit["run"] for unit in person["units"]} == {lesson.run}
    (last, *_, first) = person["units"]
    assert -1 <= first["cosine_g"] <= 1
    assert first["d_loss_after"] != first["d_loss_before"] != last["d_loss_before"] is not None
    assert last["d_loss_after"] is None  # the next round is not closed yet
    assert [(one["run"], one["images"], one["units"]) for one in person["runs"]] == [(lesson.run, 192, 3)]
    assert [one["machine"]["device"] for one in person["joined"]] == ["cpu"]
    assert "host" not in person["joined"][0]["machine"]
    assert look_at_person(viewer, "nobody") == {"name": "nobody", "units": [], "runs": [], "joined": []}


def test_every_message_is_documented_and_nothing_else(database: Address, conn: Connection) -> None:
    lesson = Lesson(conn, num_workers=2, units=2, spares=1)
    lesson.past(3, samples=2, evaluate_every=3)
    lesson.open()
    messages = []
    for topic in (RunTopic(lesson.run), PeopleTopic(lesson.run), RunsTopic()):
        topic.look(conn, [{"event": "opened", "run": lesson.run}])
        messages += [json.loads(text) for text in topic.whole()]
    found = {message["type"]: message for message in messages}
    run, person = found["run"], found["people"]["people"][0]
    wanted = {*run, *run["rounds"][0], *run["rounds"][1]["units"][0], *person, *found, *NAMES}
    page = (ROOT / "docs" / "reference" / "dashboard.md").read_text("utf-8")
    assert wanted <= set(re.findall(r"`([a-z_]+)`", page))
    rows = re.findall(r"^\| (`.*?) \|", page.partition("## A run")[2], re.MULTILINE)
    states = {"waiting", "computing", "submitted", "accepted", "late", "refused", "skipped", "cancelled"}
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} <= {*run, *person, *states}
