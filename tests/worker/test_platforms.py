"""What differs between systems, by injection: none of it ran on a real Windows or macOS."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from types import SimpleNamespace

import pytest

from ganns.queue.events import FD_VARIABLE
from ganns.worker import platforms


@pytest.fixture
def pipe():
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


@pytest.mark.parametrize("system", ["linux", "darwin"])
def test_posix_passes_the_descriptor(pipe, system):
    options, variables = platforms.child_options(pipe[1], system)
    assert options == {"pass_fds": (pipe[1],), "start_new_session": True}
    assert variables == {FD_VARIABLE: str(pipe[1])}


def test_windows_passes_a_handle_in_a_process_group(pipe):
    msvcrt = SimpleNamespace(get_osfhandle=lambda fd: fd + 1000)
    options, variables = platforms.child_options(pipe[1], "win32", lambda: msvcrt)
    assert "pass_fds" not in options
    assert "start_new_session" not in options
    assert options["creationflags"] == 0x200
    assert options["startupinfo"] == {"lpAttributeList": {"handle_list": [pipe[1] + 1000]}}
    assert variables == {platforms.HANDLE_VARIABLE: str(pipe[1] + 1000)}


def test_windows_makes_the_handle_a_descriptor(pipe, monkeypatch):
    monkeypatch.setenv(platforms.HANDLE_VARIABLE, "4711")
    monkeypatch.setenv(FD_VARIABLE, "")
    asked = []
    msvcrt = SimpleNamespace(open_osfhandle=lambda handle, flags: asked.append((handle, flags)) or pipe[1])
    platforms.adopt_pipe("win32", lambda: msvcrt)
    assert asked == [(4711, os.O_WRONLY)]
    assert os.environ[FD_VARIABLE] == str(pipe[1])


def test_posix_never_blocks_on_the_pipe(pipe, monkeypatch):
    monkeypatch.setenv(FD_VARIABLE, str(pipe[1]))
    os.set_inheritable(pipe[1], True)
    platforms.adopt_pipe("linux")
    assert not os.get_blocking(pipe[1])
    assert not os.get_inheritable(pipe[1])


@pytest.mark.parametrize(("system", "number"), [("linux", signal.SIGINT), ("win32", 1)])
def test_asking_to_leave(system, number):
    sent = []
    platforms.ask_to_leave(SimpleNamespace(send_signal=sent.append), system)  # type: ignore[arg-type]
    assert sent == [number]


def test_asking_a_process_that_is_gone():
    process = subprocess.Popen(["true"])
    process.wait()
    platforms.ask_to_leave(process)


def test_the_loop_is_one_that_psycopg_can_use():
    assert platforms.loop_factory("win32") is asyncio.SelectorEventLoop


def test_windows_signals_reach_the_loop(monkeypatch):
    handlers, called = {}, []
    monkeypatch.setattr(signal, "signal", lambda number, handler: handlers.update({number: handler}))
    loop = SimpleNamespace(call_soon_threadsafe=lambda callback: callback())
    platforms.on_leave(loop, lambda: called.append(1), "win32")  # type: ignore[arg-type]
    assert set(handlers) == {signal.SIGINT, 21}
    handlers[21](21, None)
    assert called == [1]


def test_an_orphan_notices():
    assert not platforms.parent_is_gone(os.getppid(), "linux")
    assert platforms.parent_is_gone(-1, "linux")
    assert not platforms.parent_is_gone(-1, "win32")
