"""A newcomer draws its images before it takes a unit: the class never waits for it."""

from __future__ import annotations

import pytest

from ganns.db.connect import connect
from ganns.db.queries import execute
from ganns.errors import TaskUsageError
from ganns.monitor.people import look_at_workers
from ganns.queue.decorator import task
from tests.queue.sample_tasks import app
from tests.support.helpers import wait_until
from tests.worker.classroom import endless


def test_a_worker_whose_images_take_long_holds_no_job_and_says_how_far_it_is(classroom, tmp_path):
    go = tmp_path / "go"
    newcomer = classroom.worker("newcomer", app="tests.support.slow_images.app", SLOW_IMAGES=str(go))
    classroom.coordinate(endless())
    with connect(classroom.server.address) as conn:
        wait_until(
            lambda: "4,000 of 9,000" in str(look_at_workers(conn).get("newcomer", {}).get("preparing")),
            120,
            lambda: f"the newcomer to prepare: {newcomer.log}",
        )
        other = classroom.worker("other")
        classroom.wait_works(other)
        before = classroom.rounds()
        classroom.wait_rounds(before + 3)
        [number] = conn.execute("SELECT worker_id FROM ganns.task_workers WHERE name = 'newcomer'").fetchone()
        held = "SELECT count(*) FROM procrastinate.procrastinate_jobs WHERE worker_id = %s"
        assert conn.execute(held, [number]).fetchone() == (0,)
        assert classroom.credit("newcomer") == 0
        assert "preparing images" in newcomer.log
        go.touch()
        classroom.wait_works(newcomer)
        assert look_at_workers(conn)["newcomer"]["preparing"] is None


def test_a_worker_gets_the_jobs_that_it_prepared_for_and_others(hands, conn):
    hand = hands()
    for args in ("{'run': 1}", "{'run': 2}"):
        conn.execute(
            "INSERT INTO procrastinate.procrastinate_jobs (queue_name, task_name, args) VALUES ('q', 'train', %s)",
            [args.replace("'", '"')],
        )
    conn.execute(
        "INSERT INTO procrastinate.procrastinate_jobs (queue_name, task_name, args) VALUES ('q', 'other', '{}')"
    )
    conn.execute(
        "SELECT ganns_api.task_register(%s, 'hand', '{}', 0, '{train,other}', '[]'), "
        """ganns_api.task_prepares(%s, '{"train": "run"}')""",
        [hand.id, hand.id],
    )

    def to_prepare():
        return execute(conn, "tasks_to_prepare", worker_id=hand.id, queues=None).fetchall()

    def prepare(run, text):
        execute(conn, "tasks_prepare", worker_id=hand.id, task_name="train", args=f'{{"run": {run}}}', text=text)

    assert to_prepare() == [{"task_name": "train", "args": {"run": 1}}]
    assert hand.fetch()["task_name"] == "other"
    prepare(1, "preparing images: 1 of 2")
    assert hand.fetch() is None
    prepare(1, None)
    assert hand.fetch()["args"] == {"run": 1}
    assert to_prepare() == [{"task_name": "train", "args": {"run": 2}}]
    assert hand.fetch() is None


def test_a_preparation_needs_an_argument():
    with pytest.raises(TaskUsageError, match="no argument"):
        task(app=app, name="nothing", prepare=lambda value, say: None)(lambda: None)
