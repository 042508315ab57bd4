"""Each fault is injected, shown to have fired, and survived: work goes on with no human action, nothing counts twice.

The ledger is checked after every test (conftest.py).
"""

from __future__ import annotations

import os
import signal

import pytest

from tests.support.helpers import wait_until


def num_listening(room):
    """Return how many workers wait for notifications: the last connection that a worker opens."""
    return room.one("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'ganns worker: listen'")[0]


@pytest.fixture
def busy(classroom):
    """Yield a class with one worker that has done a few rounds."""
    worker = classroom.worker()
    classroom.coordinate()
    classroom.wait_rounds(3, timeout_s=120)
    worker.wait_joined()
    wait_until(lambda: num_listening(classroom) == 1, what="the worker to listen")
    return classroom, worker


def test_a_killed_worker(busy):
    room, worker = busy
    pid = worker.kill_child()
    wait_until(lambda: "ended by itself with code -9" in worker.log, what="the death")
    room.wait_works(worker)
    assert worker.child() != pid


def test_a_worker_that_stops_well_by_itself(busy):
    """SIGINT to the child alone: it hands back and exits with code 0, as a stock worker does on losing a side task."""
    room, worker = busy
    worker.kill_child(signal.SIGINT)
    wait_until(lambda: "ended by itself with code 0" in worker.log, what="the exit")
    room.wait_works(worker)


def test_a_worker_process_that_is_stopped(busy):
    classroom, worker = busy
    pid = worker.kill_child(signal.SIGSTOP)
    wait_until(lambda: "stopped for" in worker.log, timeout_s=90, what="the kill")
    wait_until(lambda: worker.child() != pid, what="the process to be gone")  # SIGCONT would find no process
    classroom.wait_works(worker)


def test_a_closed_lid(busy):
    """Supervisor and child sleep for longer than a rescue waits, and another takes their unit; then they wake."""
    room, sleeper = busy
    other = room.worker("other")
    other.wait_joined()
    child = sleeper.child()
    sleeper.process.send_signal(signal.SIGSTOP)
    os.kill(child, signal.SIGSTOP)
    # Meanwhile: 15 s of silence, and the registration is pruned.
    pruned = room.one(
        "DELETE FROM procrastinate.procrastinate_workers WHERE id IN "
        "(SELECT id FROM ganns.workers WHERE name = %s) RETURNING id",
        sleeper.name,
    )
    assert pruned is not None
    room.wait_works(other)
    os.kill(child, signal.SIGCONT)
    sleeper.process.send_signal(signal.SIGCONT)
    room.wait_works(sleeper)
    assert sleeper.child() == child  # the same process goes on
    assert sleeper.joined() == 1


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_the_server_is_restarted(busy, mode):
    room, worker = busy
    child = worker.child()
    room.server.stop(mode)
    room.server.start()
    room.wait_works(worker)
    assert worker.child() == child


@pytest.mark.parametrize("away_s", [6, pytest.param(60, marks=pytest.mark.long)])
def test_the_server_is_away(busy, away_s):
    import threading

    room, worker = busy
    child = worker.child()
    room.server.stop("fast")
    threading.Event().wait(away_s)
    assert not room.server.embedded.is_running()
    wait_until(lambda: "waiting" in worker.log, what="the worker to say so")
    assert worker.child() == child  # waiting it out, not killed
    room.server.start()
    room.wait_works(worker)
    assert worker.child() == child


def test_garbage_and_spoofed_notifications(busy):
    room, worker = busy
    child = worker.child()
    payloads = [
        "",
        "garbage",
        "[]",
        "null",
        "{}",
        '{"type": 7}',
        '{"type": "job_inserted"}',
        '{"type": "abort_job_requested"}',
        '{"type": "abort_job_requested", "job_id": "x"}',
        '{"type":"abort_job_requested","job_id":1}',
        "[" * 7000,
    ]
    for channel in ("procrastinate_any_queue_v1", "procrastinate_queue_v1#units"):
        for payload in payloads:
            room.one("SELECT pg_notify(%s, %s)", channel, payload)
    room.wait_works(worker)
    assert worker.child() == child
    # Still on the same LISTEN connection: nothing fired that ended it.
    assert num_listening(room) == 1
    assert "listener" not in worker.log


def test_its_connections_are_ended_by_the_server(busy):
    room, worker = busy
    ended = room.one(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name LIKE 'ganns worker%'"
    )
    assert ended[0] >= 2
    child = worker.child()
    room.wait_works(worker)
    assert worker.child() == child


def num_connections(room):
    return room.one("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'ganns worker%'")[0]


def test_at_most_two_connections_and_one_for_blobs(busy):
    room, _ = busy
    most = 0

    def look():
        nonlocal most
        most = max(
            most,
            room.one("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'ganns worker%%' AND %s", True)[
                0
            ],
        )
        return room.rounds() > goal

    goal = room.rounds() + 10
    wait_until(look, timeout_s=120, what="ten rounds")
    assert 2 <= most <= 3
    room.coordinators[-1].stop.set()
    wait_until(
        lambda: (
            room.one("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'ganns worker%%' AND %s", True)[
                0
            ]
            == 2
        ),
        timeout_s=120,
        what="the connection for blobs to be closed",
    )


def test_the_coordinator_goes_and_comes_back(busy):
    room, worker = busy
    first = room.coordinators[-1]
    first.stop.set()
    first.thread.join(60)
    config = first.config
    config.resume = "latest"
    room.coordinate(config)
    room.wait_works(worker)
    assert worker.joined() == 1
