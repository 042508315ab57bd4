"""Reports reach the pipe whole, or go nowhere without a sound."""

from __future__ import annotations

import json
import os

import pytest

from ganns.queue.events import FD_VARIABLE, report


@pytest.fixture
def pipe(monkeypatch):
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    monkeypatch.setenv(FD_VARIABLE, str(writing))
    yield reading, writing
    os.close(reading)
    os.close(writing)


def test_one_line_an_event(pipe):
    report({"event": "started", "job": 3, "attempt": 0, "time_limit": None})
    report({"event": "status", "text": "two\nlines"})
    lines = os.read(pipe[0], 10_000).decode().splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["started", "status"]


@pytest.mark.parametrize("number", ["", "x", "-1", "9999"])
def test_without_a_supervisor_nothing_happens(monkeypatch, number):
    monkeypatch.setenv(FD_VARIABLE, number)
    report({"event": "heartbeat"})


def test_a_full_pipe_does_not_block(pipe):
    for number in range(10_000):
        report({"event": "status", "text": f"{number}" + "x" * 100})
    assert all(json.loads(line) for line in os.read(pipe[0], 1 << 20).decode().splitlines())


def test_what_is_no_json_or_too_long_is_dropped(pipe):
    endless: dict[str, object] = {}
    endless["again"] = endless
    report(endless)
    report({"event": "status", "text": "x" * 5000})
    report({"event": "finished", "job": 1})
    assert json.loads(os.read(pipe[0], 10_000)) == {"event": "finished", "job": 1}
