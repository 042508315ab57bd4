"""`ganns demo`, whole and small; and Ctrl-C at its different moments, after which nothing may be left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import psutil
import pytest
from PIL import Image

from tests.helpers import ROOT, wait_until

SMALL = ["data.count=64", "data.holdout=32", "stop.minutes=null", "sample_every=2"]


def start(folder, *overrides):
    """Start the demo in a session of its own, as a terminal would; its output goes to a file."""
    command = [sys.executable, "-m", "ganns", "demo", "--outputs", str(folder / "out"), *SMALL, *overrides]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | {"GANNS_HOME": str(folder / "home")},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def left_behind(folder):
    """Return the command lines of processes that inherited this demo's environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("GANNS_HOME") == str(folder / "home"):
                found.append(process.cmdline())
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


def test_the_demo_makes_what_it_promises(tmp_path):
    process = start(tmp_path, "stop.rounds=6")
    assert process.wait(120) == 0, (tmp_path / "log").read_text()
    [folder] = (tmp_path / "out").iterdir()
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["rounds"] == 6
    assert summary["images"] == 6 * 64
    assert sum(worker["images"] for worker in summary["workers"]) == 6 * 64
    assert {"seconds", "images_per_s", "swd_start", "swd_end", "first_grid_s"} <= summary.keys()
    assert [path.name for path in sorted((folder / "samples").iterdir())] == [
        f"version-{version:06}.png" for version in (0, 2, 4, 6)
    ]
    for name in ("timeline.png", "losses.png"):
        with Image.open(folder / name) as picture:
            assert picture.width > 500
    shown = (tmp_path / "log").read_text()
    assert "worker-1" in shown
    assert "ganns train experiment=demo" in shown
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize(
    ("line", "number"),
    [
        pytest.param("Everything it makes", signal.SIGINT, marks=pytest.mark.slow),
        pytest.param("workers are starting", signal.SIGINT, marks=pytest.mark.slow),
        ("run 1 is open", signal.SIGINT),
        pytest.param("run 1 is open", signal.SIGTERM, marks=pytest.mark.slow),
    ],
)
def test_stopping_it_leaves_nothing(tmp_path, line, number):
    process = start(tmp_path, "stop.rounds=1000000")
    log = tmp_path / "log"
    wait_until(lambda: line in log.read_text() or process.poll() is not None, timeout_s=60, what=line)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # a terminal sends Ctrl-C to everything that runs in it
    else:
        process.send_signal(number)
    code = process.wait(60)
    assert code in (0, 130), log.read_text()  # 0: there was something to show already
    assert "Traceback" not in log.read_text()
    wait_until(lambda: left_behind(tmp_path) == [], what="the end of all processes")
    if line == "workers are starting":  # in the middle of drawing: no lock is left either
        again = start(tmp_path, "stop.rounds=1")
        assert again.wait(120) == 0, log.read_text()
