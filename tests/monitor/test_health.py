"""A run's health and the marks of its charts, as watchers see them: injected, asserted to be seen, and to end."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from benchmarks.lesson import Lesson
from ganns.db.address import Address
from ganns.db.connect import Connection
from ganns.evaluation.health import WINDOW, Symptom
from ganns.monitor.health import preparing, waited_for
from ganns.monitor.marks import MAX_MARKS, marks
from ganns.monitor.topics import RunTopic
from ganns.monitor.viewer import connect_viewer
from ganns.store.control import pause, set_quorum

WON = {"d_real": 0.999, "d_fake": 0.001, "d_loss": 0.002, "g_loss": 9.0}
HEALTHY = {"d_real": 0.7, "d_fake": 0.3, "d_loss": 0.9, "g_loss": 1.5}


@pytest.fixture
def viewer(database: Address) -> Iterator[Connection]:
    with connect_viewer(database, "a test") as conn:
        yield conn


def look(topic: RunTopic, viewer: Connection) -> dict[str, dict[str, Any]]:
    """Return the newest messages by their types."""
    topic.look(viewer, [])
    return {one["type"]: one for one in map(json.loads, topic.whole())}


def kinds(found: dict[str, dict[str, Any]]) -> list[str]:
    return [one["kind"] for one in found["run"]["health"]]


def past(lesson: Lesson, rounds: int, metrics: dict[str, float]) -> None:
    first = lesson.round
    lesson.past(rounds, samples=0, evaluate_every=10**6)
    lesson.conn.execute(
        "UPDATE ganns.metrics SET metrics = %s WHERE run_id = %s AND round >= %s", (Jsonb(metrics), lesson.run, first)
    )


def test_findings_come_from_the_rows_end_with_their_condition_and_are_marked(
    conn: Connection, viewer: Connection
) -> None:
    lesson = Lesson(conn, num_workers=2, units=2, spares=0)
    past(lesson, WINDOW - 1, WON)
    topic = RunTopic(lesson.run)
    assert kinds(look(topic, viewer)) == []
    past(lesson, 1, WON)
    found = look(topic, viewer)
    [won] = found["run"]["health"]
    assert won["text"].startswith("D has won: over the last 50 rounds")
    assert won["remedy"] == "Try a smaller optimizer.lr_d, or loss.label_smoothing=0.1."
    assert look(RunTopic(lesson.run), viewer)["run"]["health"] == [won]  # a page that is opened later
    past(lesson, WINDOW, HEALTHY)
    for variance in (0.9, 0.01):
        lesson.evaluate(lesson.round)
        change = Jsonb({"pixel_variance": variance, "feature_variance": 0.9})
        conn.execute("UPDATE ganns.evaluations SET metrics = metrics || %s WHERE version = %s", (change, lesson.round))
        past(lesson, 1, HEALTHY)
    found = look(topic, viewer)
    assert kinds(found) == ["alike"]
    marked = [(one["round"], one["label"]) for one in found["marks"]["rows"] if one["kind"] == "health"]
    assert marked == [(WINDOW - 1, "D won")]


def test_who_is_waited_for_and_who_is_not(conn: Connection, viewer: Connection) -> None:
    lesson = Lesson(conn, num_workers=3, units=3, spares=0)
    lesson.past(5, samples=0, evaluate_every=10**6)
    lesson.open()
    for unit in (0, 1, 2):
        lesson.claim(unit)
    lesson.submit(0)
    lesson.beat()
    topic = RunTopic(lesson.run)
    assert kinds(look(topic, viewer)) == []  # nothing is late yet
    long_ago = "now() - interval '41 seconds'"
    conn.execute(f"UPDATE ganns.rounds SET opened_at = {long_ago} WHERE closed_at IS NULL")
    conn.execute(f"UPDATE ganns.units SET claimed_at = {long_ago} WHERE round = %s", (lesson.round,))
    conn.execute(
        "UPDATE procrastinate.procrastinate_workers SET last_heartbeat = now() - interval '12 seconds' WHERE id = %s",
        (lesson.workers[2],),
    )
    conn.execute(
        "INSERT INTO ganns.task_workers (worker_id, name, tasks, preparing) VALUES (%s, 'anna', '{}', %s)",
        (lesson.workers[0], "preparing images: 4,000 of 9,000"),
    )
    found = look(topic, viewer)["run"]["health"]
    assert [one["kind"] for one in found] == ["stalled", "waiting", "waiting", "preparing"]
    assert re.fullmatch(r"No round has closed for 4\d s; usually one takes 0\.9 s\.", found[0]["text"])
    assert "quorum.spares" in found[0]["remedy"]
    waits = sorted(one["text"] for one in found[1:3])
    assert re.fullmatch(r"Waiting for ben: computing, 4\d s more than usual\.", waits[0])
    assert re.fullmatch(r"Waiting for chloe: silent for 1\d s; after 15 s its unit is queued again\.", waits[1])
    assert found[3]["text"] == "anna is preparing images, 44 % (not waited for)."
    pause(conn, lesson.run, "ada")
    conn.execute("UPDATE ganns.rounds SET closed_at = now() WHERE closed_at IS NULL")
    assert kinds(look(topic, viewer)) == []  # a paused run waits for no one


def test_the_usual_time_decides_who_is_late() -> None:
    def row(seconds: float, usual_s: float | None, round_: int = 7) -> dict[str, Any]:
        return {
            "round": round_,
            "name": f"{seconds:.0f} of {usual_s}",
            "seconds": seconds,
            "usual_s": usual_s,
            "silent_s": 1,
        }

    late = [row(40, 8), row(31, None), row(5, 1)]
    fine = [row(15, 8), row(29, None), row(3.5, 1), row(90, 1, round_=8)]  # the next round is not waited for yet
    assert [one["text"] for one in waited_for(late + fine)] == [
        "Waiting for 40 of 8: computing, 32 s more than usual.",
        "Waiting for 31 of None: computing for 31 s.",
        "Waiting for 5 of 1: computing, 4.0 s more than usual.",
    ]


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("preparing images", "Ada is preparing images (not waited for)."),
        ("preparing images: 0 of 0", "Ada is preparing images, 0 % (not waited for)."),
        ("preparing images: , of ,", "Ada is preparing images, 0 % (not waited for)."),
        ("\x1b[2J" * 1000, None),
    ],
)
def test_what_a_worker_says_of_its_preparation_may_be_anything(said: str, text: str | None) -> None:
    entry = preparing({"name": "Ada", "preparing": said})
    assert text is None or entry["text"] == text
    assert len(entry["text"]) < 200
    assert entry["text"].isprintable()


def test_orders_and_arrivals_are_marked_at_the_round_that_closed_next(conn: Connection, viewer: Connection) -> None:
    lesson = Lesson(conn, num_workers=2, units=2, spares=0)
    lesson.play()
    topic = RunTopic(lesson.run)
    look(topic, viewer)
    set_quorum(conn, lesson.run, 1, "ada@desk (process 7)")
    lesson.play()
    pause(conn, lesson.run, "ada")
    rows = look(topic, viewer)["marks"]["rows"]
    orders = [(one["round"], one["label"], one["text"]) for one in rows if one["kind"] == "order"]
    assert orders == [(1, "quorum 1", "quorum 1 by ada"), (2, "paused", "paused by ada")]


def test_marks_are_few_and_say_who() -> None:
    rounds = [{"round": number, "at": float(number)} for number in range(5)]
    joined = [
        {"at": 0.5, "kind": "joined", "units": None, "who": name} for name in ("ben", "anna", "ben", "cleo", "dan")
    ]
    findings = [(3, Symptom("exploded", "the losses explode", "Try"))]
    found = marks(joined, rounds, findings, went_back_at_version=4)
    assert [(one["round"], one["kind"], one["label"]) for one in found] == [
        (1, "joined", "+5"),
        (3, "health", "losses explode"),
        (4, "back", "went back"),
    ]
    assert found[0]["text"] == "anna, ben, cleo and 1 more joined"
    many = [{"at": float(number), "kind": "pause", "units": None, "who": "ada"} for number in range(200)]
    assert len(marks(many, [], [], None)) == MAX_MARKS
    assert {one["round"] for one in marks(many, [], [], None)} == {0}
