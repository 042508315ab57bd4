"""`ganns demo`, whole and small; and Ctrl-C at its different moments, after which nothing may be left."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import contextmanager, suppress

import psutil
import pytest
from PIL import Image

from ganns.db.address import Address
from ganns.db.connect import connect
from ganns.db.server.embedded import EmbeddedServer
from ganns.demo import dashboard
from ganns.demo.dashboard import open_dashboard, reserved_port
from ganns.evaluation.features import VERSION, train_network
from ganns.launch import compose
from ganns.training.serialization import write_file
from ganns.utils.installation import install_command
from tests.dashboard.browsing import instructing
from tests.support.helpers import ROOT, wait_until

SMALL = [
    *("data.count=64", "data.holdout=32", "strategy.unit_images=32"),
    *("stop.minutes=null", "sample_every=2", "evaluate.every=0"),
]


EVALUATING = "SELECT 1 FROM procrastinate.procrastinate_jobs WHERE task_name = 'evaluate' AND status = 'doing'"
SLOW_IMPORTS = """
import sys, threading, time

class Slow:
    def find_spec(name, path=None, target=None):
        if threading.current_thread() is not threading.main_thread() and name.startswith("ganns.data"):
            time.sleep(0.3)  # the import system's lock is held meanwhile

sys.meta_path.insert(0, Slow)
"""
"""A `sitecustomize` that makes a slow disk of any: for threads that import."""


@contextmanager
def running(folder, *overrides, **variables):
    """Run the demo in a session of its own, as a terminal would; its output goes to a file. Kill what is left of it."""
    command = [sys.executable, "-m", "ganns", "demo", "--outputs", str(folder / "out"), *SMALL, *overrides]
    # NiceGUI would take the dashboard for one of its own tests.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment | {"GANNS_HOME": str(folder / "home")} | variables,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        for one in (process, *left_behind(folder)):  # after a failure: the next test shall not suffer from it
            with suppress(psutil.NoSuchProcess):
                one.kill()
        process.wait()


def left_behind(folder):
    """Return the processes that inherited this demo's environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("GANNS_HOME") == str(folder / "home"):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


def keep_features(folder):
    """Train the network of the evaluation for a moment, instead of the 13 seconds that a demo would need."""
    network, accuracy = train_network(32, num_faces=50, num_held_out=10, epochs=1)
    kept = folder / "home" / "features" / f"attributes-v{VERSION}-32.safetensors"
    kept.parent.mkdir(parents=True)
    write_file(kept, network.state_dict(), {"accuracy": str(accuracy)})


def test_the_demo_makes_what_it_promises(tmp_path):
    keep_features(tmp_path)
    evaluated = ("evaluate.every=2", "evaluate.images=70", "data.holdout=80")
    with running(tmp_path, "stop.rounds=6", "--no-dashboard", *evaluated) as process:
        assert process.wait(240) == 0, (tmp_path / "log").read_text()
        wait_until(lambda: left_behind(tmp_path) == [], what="the end of all processes")
    [folder] = (tmp_path / "out").iterdir()
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["rounds"] == 6
    assert summary["images"] == 6 * 64
    assert sum(worker["images"] for worker in summary["workers"]) == 6 * 64
    assert {"seconds", "images_per_s", "swd_start", "swd_end", "first_grid_s"} <= summary.keys()
    assert summary["best_version"] in range(1, 7)
    assert summary["best_metrics"].keys() >= {"fid", "swd", "precision", "recall"}
    assert [path.name for path in sorted((folder / "samples").iterdir())] == [
        f"version-{version:06}.png" for version in (0, 2, 4, 6)
    ]
    for name in ("timeline.png", "losses.png"):
        with Image.open(folder / name) as picture:
            assert picture.width > 500
    shown = (tmp_path / "log").read_text()
    assert "worker-1" in shown
    assert "version 6: fid" in shown
    assert f"The best of the evaluated versions is {summary['best_version']}: fid" in shown
    assert "ganns train experiment=demo" in shown
    assert "browser" not in shown
    assert "ganns dashboard --failure-lab" in shown
    assert not (folder / "dashboard.log").exists()


def test_the_demo_is_evaluated_about_every_ten_versions():
    every = compose.compose(["experiment=demo"]).evaluate.every
    assert 5 <= every <= 15


@pytest.mark.slow
def test_it_opens_a_dashboard_and_takes_it_along_when_it_ends(tmp_path):
    log = tmp_path / "log"
    with running(tmp_path, "stop.rounds=1000000") as process:
        wait_until(lambda: "Watch it" in log.read_text() or process.poll() is not None, 120, log.read_text)
        found = re.search(r"Watch it in a browser: http://localhost:(\d+)/", log.read_text())
        assert found, log.read_text()
        with urllib.request.urlopen(f"http://127.0.0.1:{found[1]}/", timeout=60) as page:
            assert "GANNs with friends" in page.read().decode()
        wait_until(lambda: "Break it" in log.read_text(), what="the way to the failure lab")
        password = re.search(rf"Break it: log in at http://localhost:{found[1]}/login with (\w+),", log.read_text())
        assert password, log.read_text()
        with instructing(f"http://127.0.0.1:{found[1]}", password[1]) as client:
            client.post("/lab/start", json={"number": 1}).raise_for_status()
            wait_until(lambda: len(client.get("/lab/state").json()["workers"][0]["pids"]) == 3, 60, "its processes")
        [printed] = (tmp_path / "out").glob("*/dashboard.log")
        assert printed.stat().st_mode & 0o777 == 0o600
        stop(tmp_path, process, "run 1 is open", signal.SIGINT)
    assert log.read_text().index("samples of version 0") < log.read_text().index("Watch it")
    assert "did not start" not in log.read_text()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", int(found[1])), timeout=5)


def test_two_demos_choose_different_ports():
    with reserved_port() as one, reserved_port() as other:
        assert one != other
        with socket.create_server(("127.0.0.1", other)):  # it is free until its dashboard listens
            pass


def test_without_its_packages_the_demo_says_how_to_get_the_dashboard(tmp_path, monkeypatch):
    monkeypatch.setattr(dashboard, "find_spec", lambda name: None)
    said = []
    with open_dashboard(Address("", "nowhere"), tmp_path / "log", said.append):
        pass
    assert said == [f"To watch it in a browser: {install_command('dashboard')}"]


def test_a_dashboard_that_does_not_start_is_no_end_of_the_demo(tmp_path):
    said = []
    with open_dashboard(Address("postgresql://no:secret@127.0.0.1:1/none", "a test"), tmp_path / "log", said.append):
        wait_until(lambda: said, 60, "the dashboard's end")
    assert said == [f"The dashboard did not start; the demo goes on without it. Why: {tmp_path / 'log'}"]
    assert "Cannot connect to the database no@127.0.0.1:1/none" in (tmp_path / "log").read_text()
    assert "secret" not in (tmp_path / "log").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "number"),
    [
        ("Everything it makes", signal.SIGINT),
        ("workers are starting", signal.SIGINT),
        ("run 1 is open", signal.SIGTERM),
    ],
)
def test_stopping_it_leaves_nothing(tmp_path, line, number):
    log = tmp_path / "log"
    with running(tmp_path, "stop.rounds=1000000") as process:
        stop(tmp_path, process, line, number)
    if line == "workers are starting":  # in the middle of drawing: no lock is left either
        with running(tmp_path, "stop.rounds=1", "--no-dashboard") as again:
            assert again.wait(240) == 0, log.read_text()


@pytest.mark.slow
def test_sigterm_during_an_evaluation_ends_it_cleanly(tmp_path):
    """A thread in the middle of torch's C++, cut off at the end of Python, would end the process with "terminate"."""
    keep_features(tmp_path)
    evaluated = ("evaluate.every=1", "evaluate.images=4000", "data.holdout=4000")
    (tmp_path / "temporary").mkdir()
    variables = {"TMPDIR": str(tmp_path / "temporary")}
    with running(tmp_path, "stop.rounds=1000000", "--no-dashboard", *evaluated, **variables) as process:
        log = tmp_path / "log"
        wait_until(lambda: "run 1 is open" in log.read_text() or process.poll() is not None, 240, "the run")
        [database] = (tmp_path / "temporary").glob("ganns-demo-*")
        with connect(EmbeddedServer(database / "pg").address) as conn:
            wait_until(lambda: conn.execute(EVALUATING).fetchone() is not None, 120, "an evaluation")
        stop(tmp_path, process, "run 1 is open", signal.SIGTERM)
    assert "terminate called" not in log.read_text()


@pytest.mark.slow
def test_ctrl_c_while_a_thread_imports_loses_no_lock(tmp_path):
    """An exception in the main thread, which wants the import system's lock just then, would keep it for ever."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(SLOW_IMPORTS)
    with running(tmp_path, "stop.rounds=1000000", PYTHONPATH=str(tmp_path / "site")) as process:
        stop(tmp_path, process, "Everything it makes", signal.SIGINT)


def stop(folder, process, line, number):
    """Send a signal once `line` is printed; no process may remain."""
    log = folder / "log"
    wait_until(lambda: line in log.read_text() or process.poll() is not None, timeout_s=120, what=line)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # a terminal sends Ctrl-C to everything that runs in it
    else:
        process.send_signal(number)
    try:
        code = process.wait(120)
    except subprocess.TimeoutExpired:
        pytest.fail(f"it did not end: {log.read_text()}")
    assert code in (0, 130), log.read_text()  # 0: there was something to show already
    assert "Traceback" not in log.read_text()
    wait_until(lambda: left_behind(folder) == [], what="the end of all processes")
