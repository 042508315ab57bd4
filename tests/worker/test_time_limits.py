"""What only the supervisor can do: end a task that does not end, by ending its process."""

from __future__ import annotations

import threading
from contextlib import suppress

import psycopg
import pytest

from ganns.db.connect import connect
from ganns.errors import DatabaseError
from ganns.queue import connection, rescue
from tests.support.helpers import wait_until
from tests.worker import sample_app


@pytest.fixture
def rescued(classroom, monkeypatch):
    """Run the rescue, and let tasks be called on this class's server."""
    monkeypatch.setenv("GANNS_DATABASE_URL", classroom.server.address.conninfo)
    stop = threading.Event()

    def loop():
        while not stop.wait(0.2):
            with suppress(psycopg.Error, DatabaseError), connect(classroom.server.address) as conn:
                rescue.rescue(conn, silent_s=8.0)

    thread = threading.Thread(target=loop, daemon=True)
    thread.start()
    yield classroom
    stop.set()
    thread.join(60)
    connection.close()


def test_the_hard_time_limit(rescued):
    worker = rescued.worker(app="tests.worker.sample_app.app")
    before = sample_app.pid.delay().get(timeout=90)
    result = sample_app.limited.delay()
    wait_until(lambda: "ran into its time limit" in worker.log, timeout_s=90, what="the kill")
    wait_until(lambda: result.state == "FAILURE", timeout_s=90, what="the failure")
    assert "TimeLimitExceeded" in result.traceback
    assert sample_app.pid.delay().get(timeout=90) != before


def test_revoke_with_terminate(rescued):
    worker = rescued.worker(app="tests.worker.sample_app.app")
    before = sample_app.pid.delay().get(timeout=90)
    result = sample_app.endless.delay()
    wait_until(lambda: result.state == "STARTED", timeout_s=90, what="the start")
    result.revoke(terminate=True)
    wait_until(lambda: "told to end" in worker.log, timeout_s=90, what="the kill")
    wait_until(lambda: result.state == "REVOKED", timeout_s=90, what="the end")
    assert sample_app.pid.delay().get(timeout=90) != before


def test_a_finished_result_outlives_the_server(rescued):
    """What the server recorded is there after a crash of the server: results of tasks are logged."""
    rescued.worker(app="tests.worker.sample_app.app")
    result = sample_app.pid.delay()
    number = result.get(timeout=90)
    later = sample_app.pid.s()
    connection.close()
    rescued.server.stop("immediate")
    rescued.server.start()
    assert result.get(timeout=90) == number
    assert later.delay().get(timeout=90) == number  # the same process


def test_the_answer_to_a_fetch_is_lost(rescued):
    """The job is `doing`, by a worker that lives and knows nothing of it: after the outage it is given back."""
    worker = rescued.worker(app="tests.worker.sample_app.app")
    number = sample_app.pid.delay().get(timeout=90)
    result = sample_app.pid.apply_async(countdown=3600)
    fired = rescued.one(
        "UPDATE procrastinate.procrastinate_jobs SET status = 'doing', scheduled_at = NULL, "
        "worker_id = (SELECT max(id) FROM procrastinate.procrastinate_workers) WHERE id = %s RETURNING worker_id",
        result.job_id,
    )
    assert fired[0] is not None
    connections = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'ganns worker%%' AND %s"
    wait_until(lambda: rescued.one(connections, True)[0] >= 2, what="both connections of the worker")
    ended = rescued.one(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name LIKE 'ganns worker%%' "
        "AND pid <> pg_backend_pid() AND %s",
        True,
    )
    assert ended[0] >= 2
    assert result.get(timeout=90) == number
    assert worker.joined() == 1
