"""The supervisor and processes that misbehave. The children are a few lines of Python: no database, no torch."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field

import pytest

from ganns.worker.supervisor import Limits, Supervisor
from tests.support.helpers import ROOT, wait_until

PATIENT = Limits(start_s=60, stall_s=60, busy_stall_s=60, leave_s=60)
"""For tests in which no limit may be reached, however busy the machine is."""
STALLS = Limits(start_s=60, stall_s=1.0, busy_stall_s=3.0, leave_s=60)
PRELUDE = """
import os, signal, sys, time
from ganns.worker.platforms import adopt_pipe
from ganns.queue.events import report
adopt_pipe()
def live(seconds=60):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        report({"event": "heartbeat"})
        time.sleep(0.05)
"""


@dataclass
class Watched:
    """A supervisor in a thread, without the signals, which belong to the main thread."""

    body: str
    limits: Limits = PATIENT
    said: list[str] = field(default_factory=list)
    events: list[dict] = field(default_factory=list)

    def __post_init__(self):
        self.supervisor = Supervisor(
            [sys.executable, "-c", PRELUDE + self.body],
            {"w": {"PYTHONPATH": str(ROOT)}},
            lambda name, text: self.said.append(text),
            lambda name, event: self.events.append(event),
            self.limits,
        )
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        for child in self.supervisor._children:
            child.start()
        self.code = self.supervisor._loop()

    @property
    def child(self):
        return self.supervisor._children[0]

    def pids(self, kind="heartbeat"):
        return list(dict.fromkeys(event["pid"] for event in self.events if event["event"] == kind))

    def close(self):
        self.supervisor.ask_to_stop()
        self.supervisor.ask_to_stop()
        self.thread.join(60)
        self.child.kill()


@pytest.fixture
def watch():
    started = []

    def start(*args, **kwargs):
        started.append(Watched(*args, **kwargs))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.mark.parametrize("code", [0, 1, 77])
def test_a_child_that_exits_is_started_again_whatever_its_code(watch, code):
    watched = watch(f"report({{'event': 'heartbeat'}}); sys.exit({code})")
    wait_until(lambda: len(watched.pids()) >= 3, what="a third child")
    assert f"ended by itself with code {code}" in watched.said[0]


def test_a_killed_child_is_started_again(watch):
    watched = watch("live()")
    wait_until(watched.pids, what="a child")
    os.kill(watched.pids()[0], signal.SIGKILL)
    wait_until(lambda: len(watched.pids()) >= 2, what="another child")
    assert "code -9" in watched.said[0]


def test_a_stopped_child_is_killed_and_replaced(watch):
    watched = watch("live()", STALLS)
    wait_until(watched.pids, what="a child")
    os.kill(watched.pids()[0], signal.SIGSTOP)
    wait_until(lambda: len(watched.pids()) >= 2, what="another child")
    assert "not heard of" in watched.said[0]


def test_a_silent_loop_is_killed_though_its_threads_report(watch):
    watched = watch("live(0.2)\nwhile True:\n    report({'event': 'status', 'text': 'x'}); time.sleep(0.05)", STALLS)
    wait_until(lambda: len(watched.pids()) >= 2, what="another child")
    assert "not heard of" in watched.said[0]


def test_waiting_for_a_server_is_a_sign_of_life(watch):
    body = "live(0.1)\nwhile True:\n    report({'event': 'waiting', 'reason': 'away'}); time.sleep(0.05)"
    watched = watch(body)
    wait_until(lambda: watched.pids("waiting"), what="the first report of waiting")
    life_at, num_events = watched.child.life_at, len(watched.events)
    wait_until(lambda: len(watched.events) > num_events + 5, what="more of them")
    assert watched.child.life_at > life_at  # the time since then is what a stall is measured by
    assert watched.pids() == watched.pids("waiting")  # the same child
    assert watched.said == []


def test_the_hard_time_limit_kills(watch):
    watched = watch("report({'event': 'started', 'job': 5, 'attempt': 0, 'time_limit': 0.5}); live()")
    wait_until(lambda: len(watched.pids()) >= 2, what="another child")
    assert "job 5 ran into its time limit" in watched.said[0]


def test_a_finished_job_has_no_limit_any_more(watch):
    watched = watch(
        "report({'event': 'started', 'job': 5, 'attempt': 0, 'time_limit': 0.3})\n"
        "report({'event': 'started', 'job': 5, 'attempt': 0, 'time_limit': None})\n"
        "report({'event': 'finished', 'job': 5}); live(1)\nreport({'event': 'status', 'text': 'there'}); live()"
    )
    wait_until(lambda: watched.pids("status"), what="the end of the limit")
    assert watched.pids("status") == watched.pids()
    assert watched.said == []


def test_terminate_kills(watch):
    watched = watch(
        "report({'event': 'started', 'job': 5, 'attempt': 0, 'time_limit': None})\nlive(0.2)\n"
        "report({'event': 'terminate', 'job': 4})\nreport({'event': 'terminate', 'job': 5}); live()"
    )
    wait_until(lambda: len(watched.pids()) >= 2, what="another child")
    assert "told to end" in watched.said[0]


def test_once_asks_the_child_to_leave_and_starts_no_other(watch):
    watched = watch("signal.signal(signal.SIGINT, lambda *_: sys.exit(0)); live()")
    wait_until(watched.pids, what="a child")
    watched.supervisor.ask_to_stop()
    watched.thread.join(60)
    assert watched.code == 0
    assert watched.child.exit_code == 0
    assert len(watched.pids()) == 1


def test_twice_is_now(watch):
    watched = watch("signal.signal(signal.SIGINT, signal.SIG_IGN); live()")
    wait_until(watched.pids, what="a child")
    watched.supervisor.ask_to_stop()
    watched.supervisor.ask_to_stop()
    watched.thread.join(60)
    assert watched.code == 130


def test_a_child_that_does_not_leave_is_left_behind_after_a_while(watch):
    watched = watch("signal.signal(signal.SIGINT, signal.SIG_IGN); live()", Limits(leave_s=1.0))
    wait_until(watched.pids, what="a child")
    watched.supervisor.ask_to_stop()
    watched.thread.join(60)
    assert watched.code == 0


def test_a_sleeping_machine_is_forgiven(watch, monkeypatch):
    """The supervisor was stopped with its child for longer than every limit: nothing is killed when both wake."""
    watched = watch("report({'event': 'started', 'job': 5, 'attempt': 0, 'time_limit': 30}); live()")
    wait_until(watched.pids, what="a child")
    child = watched.child
    life_at, until = child.life_at, child.running.get(5)
    child.postpone(100.0)
    assert child.life_at >= life_at + 100
    assert until is None or child.running[5] == until + 100


def test_the_child_leaves_when_its_pipe_has_no_reader():
    """`report` without a reader is harmless: a child of a killed supervisor does this until it notices."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(  # which kills it when it takes too long
        [sys.executable, "-c", PRELUDE + "live(0.2); print('alive')"],
        env=os.environ | {"GANNS_SUPERVISOR_FD": str(writing), "PYTHONPATH": str(ROOT)},
        pass_fds=[writing],
        stdout=subprocess.PIPE,
        timeout=60,
    )
    os.close(writing)
    assert done.stdout == b"alive\n"
