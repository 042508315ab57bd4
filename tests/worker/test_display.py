"""What `ganns worker` shows."""

from __future__ import annotations

import io

from rich.console import Console

from ganns.worker.display import Display, WorkerLine

JOINED = {"event": "registered", "worker": 3, "device": "cpu", "threads": 2, "host": "lab-7"}
VIEW = {"event": "view", "num_open": 1, "requires": "", "units": 12, "images": 96, "late": 1, "hold": None}


def test_name_device_unit_rate_and_contribution():
    now = [0.0]
    line = WorkerLine("ada", lambda: now[0])
    assert line.take(JOINED) == "joined as worker 3 on cpu, 2 thread(s), lab-7"
    line.take(VIEW)
    for number in range(5):
        line.take({"event": "started", "job": number, "task": "gradient"})
        now[0] += 2.0
        line.take({"event": "unit", "round": 4, "unit": number, "images": 8})
        line.take({"event": "finished", "job": number})
    line.take({"event": "started", "job": 9, "task": "gradient"})
    shown = str(line)
    for part in ("ada", "cpu, 2 thread(s)", "job 9", "round 4, unit 4", "4.0 images/s", "12 units, 96 images, 1 late"):
        assert part in shown


def test_the_speed_of_the_link_and_of_computing_and_the_share_of_the_time_that_it_computes():
    line = WorkerLine("ada")
    unit = {"event": "unit", "round": 4, "unit": 0, "images": 8, "compute_s": 18.0, "waited_s": 2.0}
    line.take(unit | {"images_per_s": 43.2})
    assert "Mbit/s" not in str(line)  # nothing was transferred that is large enough
    line.take(unit | {"up_mbit": 9.83, "down_mbit": 48.2, "images_per_s": 43.2})
    assert "9.83 Mbit/s up, 48.2 Mbit/s down, computed at 43.2 images/s for 90% of the time" in str(line)


def test_a_unit_that_is_computed_while_the_result_before_it_is_sent():
    line = WorkerLine("ada")
    line.take(JOINED)
    for job in (3, 4):
        line.take({"event": "started", "job": job})
    assert "working: job 4, and job 3 is sent" in str(line)
    line.take({"event": "finished", "job": 3})
    assert "working: job 4 ·" in str(line)
    line.take(JOINED)  # another process in its place: nothing ended job 4
    line.take({"event": "started", "job": 5})
    assert "working: job 5 ·" in str(line)


def test_it_says_how_far_the_preparation_is():
    line = WorkerLine("ada")
    line.take(JOINED)
    assert line.take({"event": "preparing", "text": "preparing images"}) == "preparing images"
    assert line.take({"event": "preparing", "text": "preparing images: 4,000 of 9,000"}) is None
    line.take({"event": "heartbeat"})
    line.take(VIEW)
    assert "preparing images: 4,000 of 9,000" in str(line)
    line.take({"event": "preparing", "text": ""})
    assert "waiting for a unit" in str(line)


def test_it_says_why_it_waits():
    line = WorkerLine("ada")
    assert "Cannot connect" in str(line.take({"event": "waiting", "reason": "Cannot connect to x:5432"}))
    line.take({"event": "heartbeat"})
    assert "waiting for a unit" in str(line)
    assert "no run is open" in str(line.take(VIEW | {"num_open": 0}))
    assert "install" in str(line.take(VIEW | {"hold": "install 2.0"}))


def test_a_worker_of_another_app_speaks_of_tasks():
    line = WorkerLine("ada")
    line.take(JOINED | {"runs": False})
    line.take({"event": "heartbeat"})
    assert "waiting for a task" in str(line)
    line.take({"event": "started", "job": 4})
    line.take({"event": "finished", "job": 4})
    assert "waiting for a task" in str(line)


def test_in_a_pipe_plain_lines_and_none_twice():
    out = io.StringIO()
    with Display(["ada"], Console(file=out, width=200)) as display:
        display.on_event("ada", JOINED)
        for _ in range(50):
            display.on_event("ada", {"event": "waiting", "reason": "[no] server"})
        display.say("ada", "starting again")
    lines = out.getvalue().splitlines()
    assert lines[:3] == [
        "ada: joined as worker 3 on cpu, 2 thread(s), lab-7",
        "ada: waiting: [no] server",
        "ada: starting again",
    ]
    assert "\x1b" not in out.getvalue()


def test_on_a_terminal_a_live_line():
    out = io.StringIO()
    with Display(["ada"], Console(file=out, width=120, force_terminal=True)) as display:
        display.on_event("ada", JOINED)
        display.on_event("ada", VIEW)
    assert "contributed 12 units" in out.getvalue()
