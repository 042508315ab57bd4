"""The background thread: newest requests, a new connection after an error, and an orderly end."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ganns.utils import background
from ganns.utils.background import Background
from tests.support.helpers import ROOT, wait_until


class Server:
    """Counts connections; handling fails while `is_away`, and waits while `gate` is closed."""

    def __init__(self) -> None:
        self.num_opened = self.num_closed = 0
        self.is_away = False
        self.gate, self.entered = threading.Event(), threading.Event()
        self.gate.set()
        self.handled: list[int] = []

    @contextmanager
    def connect(self) -> Iterator[Server]:
        self.num_opened += 1
        try:
            yield self
        finally:
            self.num_closed += 1

    def handle(self, server: Server, request: int) -> None:
        self.entered.set()
        assert self.gate.wait(30)
        if self.is_away:
            raise ConnectionError("away")
        self.handled.append(request)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setattr(background, "PAUSES_S", (0.01, 0.01))
    return Server()


@pytest.mark.parametrize(("num_kept", "handled"), [(1, [0, 3]), (3, [0, 1, 2, 3])])
def test_only_the_newest_requests_wait(server: Server, num_kept: int, handled: list[int]) -> None:
    server.gate.clear()
    thread = Background("test", server.connect, server.handle, (OSError,), num_kept=num_kept)
    thread.put(0)
    assert server.entered.wait(30)
    for request in (1, 2, 3):
        thread.put(request)
    assert not thread.wait_idle(0.01)
    server.gate.set()
    assert thread.wait_idle(30)
    thread.close()
    assert (server.handled, server.num_opened, server.num_closed) == (handled, 1, 1)


def test_a_request_that_failed_is_handled_on_a_new_connection(server: Server) -> None:
    server.is_away = True
    thread = Background("test", server.connect, server.handle, (OSError,))
    thread.put(7)
    wait_until(lambda: server.num_opened >= 3, what="three attempts")
    server.is_away = False
    assert thread.wait_idle(30)
    thread.close()
    assert server.handled == [7]
    assert server.num_opened == server.num_closed


def test_the_end_does_not_wait_for_a_server_that_is_away(server: Server) -> None:
    server.is_away = True
    thread = Background("test", server.connect, server.handle, (OSError,))
    thread.put(7)
    thread.close(30)
    assert not thread._thread.is_alive()
    assert server.handled == []


IN_TORCH = """
import time, torch
from contextlib import nullcontext
from ganns.utils.background import Background

def compute(resource, request):
    print("computing", flush=True)
    until, tensor = time.monotonic() + 2, torch.ones(300, 300)
    while time.monotonic() < until:
        tensor = torch.tanh(tensor @ tensor)
    print("computed", flush=True)

torch.set_num_threads(1)
thread = Background("test", nullcontext, compute, ())
thread.put(1)
time.sleep(0.5)
thread.close(0.1)
print("ending", flush=True)
"""


@pytest.mark.slow
def test_the_program_ends_after_a_thread_that_computes() -> None:
    """Cut off in a call into C++, it ended the process: "terminate called without an active exception"."""
    ended = subprocess.run([sys.executable, "-c", IN_TORCH], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (ended.returncode, ended.stdout.split()) == (0, ["computing", "ending", "computed"]), ended.stderr


def test_the_programs_end_waits_for_a_thread_that_was_given_up(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    waited_for: list[object] = []
    monkeypatch.setattr(background.atexit, "register", waited_for.append)
    server.gate.clear()
    thread = Background("test", server.connect, server.handle, (OSError,))
    thread.put(0)
    assert server.entered.wait(30)
    thread.close(0.01)
    assert waited_for == [thread._thread.join]
    server.gate.set()
    thread._thread.join(30)
    thread.close()
    assert len(waited_for) == 1


def test_a_connection_can_be_closed_between_requests(server: Server) -> None:
    thread = Background("test", server.connect, server.handle, (OSError,), stay_connected=False)
    for request in (1, 2):
        thread.put(request)
        wait_until(lambda request=request: server.num_closed == request, what="the end of a connection")
    thread.close()
    assert (server.handled, server.num_opened, server.num_closed) == ([1, 2], 2, 2)
