"""The faults that the soak and `benchmarks.faults` inject, and the proof that each one happened."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import psutil

from benchmarks.classroom import Classroom, Worker, wait_for
from ganns.config import Config
from tests.worker.proxy import Proxy

Inject = Callable[[Classroom, Worker, Config], None]
"""A function that breaks something: the worker that it gets, or what all of them share."""


class NotNow(Exception):
    """The fault's target is just being replaced: choose again."""


def _child(worker: Worker) -> psutil.Process:
    child = worker.child()
    if child is None or worker.is_stopped:
        raise NotNow
    return child


def kill_worker(room: Classroom, worker: Worker, config: Config) -> None:
    """Kill the process that computes."""
    child = _child(worker)
    child.kill()
    wait_for(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, "the worker's process to end")


def kill_supervisor(room: Classroom, worker: Worker, config: Config) -> None:
    """Kill the supervisor, and start `ganns worker` again, as a service manager would."""
    _child(worker)
    worker.kill_supervisor()
    room.replace(worker)


def kill_coordinator(room: Classroom, worker: Worker, config: Config) -> None:
    """Kill the coordinator, and start it again."""
    was_killed = room.kill_coordinator()
    config.resume = "latest"
    room.start_coordinator(config)
    if not was_killed:
        raise NotNow


def crash_server(room: Classroom, worker: Worker, config: Config) -> None:
    """Stop the server as in a crash, and start it again."""
    room.stop_server("immediate")
    room.server.start()


def restart_server(room: Classroom, worker: Worker, config: Config) -> None:
    """Restart the server."""
    room.stop_server("fast")
    room.server.start()


def kill_server_process(room: Classroom, worker: Worker, config: Config) -> None:
    """Kill one of the server's processes, as a system without memory does: the server ends all, and recovers."""
    found = room.rows("SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'ganns%' ORDER BY random() LIMIT 1")
    if not found:
        raise NotNow
    before = room.rows("SELECT pg_postmaster_start_time(), pid FROM pg_stat_activity WHERE pid = pg_backend_pid()")
    os.kill(found[0][0], signal.SIGKILL)
    # Ours is ended too: the sign that the server has noticed.
    wait_for(lambda: room.rows("SELECT pg_backend_pid()")[0][0] != before[0][1], "the server's recovery")


def cut_connections(room: Classroom, worker: Worker, config: Config) -> None:
    """Let the server end all connections of the workers and of the coordinator."""
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'ganns%'"
    if not room.rows(cut):
        raise NotNow


def freeze_worker(room: Classroom, worker: Worker, config: Config) -> None:
    """Stop the process that computes, for good: its supervisor has to kill it."""
    _stop(_child(worker))


def wake_after(seconds: float) -> Inject:
    """Return a fault: the whole machine of a worker sleeps, like a laptop whose lid is closed."""

    def sleep(room: Classroom, worker: Worker, config: Config) -> None:
        child, supervisor = _child(worker), psutil.Process(worker.supervisor.pid)
        worker.is_stopped = True
        _stop(supervisor)
        _stop(child)
        time.sleep(seconds)
        child.resume()
        supervisor.resume()
        worker.is_stopped = False

    return sleep


def half_open(proxy: Proxy, seconds: float) -> Inject:
    """Return a fault: for a while, what goes through the proxy is acknowledged and lost.

    A connection that was used meanwhile stays dead, and neither side hears of it.
    """

    def swallow(room: Classroom, worker: Worker, config: Config) -> None:
        before = proxy.num_swallowed
        proxy.freeze()
        time.sleep(seconds)
        proxy.thaw()
        if proxy.num_swallowed == before:
            raise NotNow

    return swallow


def leave_server_away(seconds: float) -> Inject:
    """Return a fault: the server is away for a while."""

    def stay_away(room: Classroom, worker: Worker, config: Config) -> None:
        room.stop_server("fast")
        time.sleep(seconds)
        room.server.start()

    return stay_away


def _stop(process: psutil.Process) -> None:
    try:
        process.suspend()
        wait_for(lambda: process.status() == psutil.STATUS_STOPPED, "a process to stop")
    except psutil.NoSuchProcess:
        raise NotNow from None
