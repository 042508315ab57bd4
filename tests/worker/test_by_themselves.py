"""`ganns worker` with no coordinator and no `ganns tasks rescue`: heartbeats, deadlines, deaths, a spare process."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ganns.db.address import Address
from ganns.db.connect import Connection, connect
from ganns.db.queries import execute
from ganns.errors import ChordFailed
from ganns.queue import connection, rescue
from ganns.queue.canvas import chord
from ganns.worker import platforms
from ganns.worker.child import Child
from ganns.worker.keeper import Keeper
from ganns.worker.supervisor import Limits, Supervisor
from tests.queue import sample_tasks as sample
from tests.support import warm
from tests.support.helpers import wait_until
from tests.worker import sample_app
from tests.worker.classroom import WorkerProcess

APP = "tests.worker.sample_app.app"


@pytest.fixture
def called(database: Address, monkeypatch: pytest.MonkeyPatch) -> Iterator[Address]:
    """Let tasks be called on this test's database."""
    monkeypatch.setenv("GANNS_DATABASE_URL", database.conninfo)
    yield database
    connection.close()


@pytest.fixture
def worker(called: Address, tmp_path: Path) -> Iterator[WorkerProcess]:
    """Yield a hardened worker of the sample app that has run a task."""
    process = WorkerProcess(called, tmp_path, "w", APP)
    sample_app.pid.delay().get(timeout=120)
    yield process
    process.end()


@pytest.fixture
def keeper(database: Address) -> Iterator[Keeper]:
    """Yield a keeper on this test's database."""
    one = Keeper(database)
    yield one
    one.close(30)


def heartbeat(conn: Connection) -> object:
    return conn.execute("SELECT max(last_heartbeat) FROM procrastinate_workers").fetchone()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_task_that_keeps_pythons_lock_is_alive(worker: WorkerProcess, conn: Connection, tmp_path: Path) -> None:
    """It computes: its own heartbeat cannot run; the supervisor's does, and the task is started once."""
    result = sample_app.long_power.delay(rescue.SILENT_S + 3, str(tmp_path / "started"))
    wait_until((tmp_path / "started").exists, what="the task to start")
    beats = set()

    def ended() -> bool:
        assert rescue.rescue(conn) == []
        beats.add(heartbeat(conn))
        return result.ready()

    wait_until(ended, timeout_s=600, what="the task's end", every_s=0.2)
    assert len(beats) >= 3
    pid, longest_s = result.get(timeout=60)
    assert pid == worker.child()
    assert longest_s > rescue.SILENT_S  # one call: no other thread of the process ran meanwhile
    starts = "SELECT count(*) FROM procrastinate_events WHERE type = 'started' AND job_id = %s"
    assert conn.execute(starts, [result.job_id]).fetchone() == (1,)
    assert conn.execute("SELECT count(*) FROM ganns.task_attempts").fetchone() == (0,)


def test_terminate_reaches_a_task_that_keeps_pythons_lock(worker: WorkerProcess, tmp_path: Path) -> None:
    """Nothing in its process can hear it; and its job ends without the rescue's 15 s."""
    before = worker.child()
    result = sample_app.power.delay(str(tmp_path / "started"))
    wait_until((tmp_path / "started").exists, what="the task to start")
    result.revoke(terminate=True)
    wait_until(lambda: result.state == "REVOKED", what="the end")
    assert "told to end its task" in worker.log
    assert sample_app.pid.delay().get(timeout=120) != before


def test_a_chords_deadline_needs_no_coordinator(worker: WorkerProcess) -> None:
    result = chord([sample_app.pid.s().set(countdown=3600)], sample_app.pid.si(), deadline=0.1).delay()
    with pytest.raises(ChordFailed, match="its deadline passed"):
        result.get(timeout=60)


def test_a_spare_process_takes_the_place_of_a_killed_one(worker: WorkerProcess) -> None:
    """It has loaded the tasks before: that takes most of the time until a new process works."""
    children = Path(f"/proc/{worker.process.pid}/task/{worker.process.pid}/children")
    wait_until(lambda: len(children.read_text().split()) == 2, what="the spare process")
    first, spare = map(int, children.read_text().split())
    assert worker.child() == first
    os.kill(first, signal.SIGKILL)
    assert sample_app.pid.delay().get(timeout=120) == spare


def test_a_workers_end_hands_its_jobs_on_at_once(keeper: Keeper, hands: Callable, called: Address) -> None:
    first, second = hands(), hands()
    result, revoked = sample.add.delay(1), sample.add.delay(2)
    held = [first.fetch(), first.fetch()]
    assert None not in held
    revoked.revoke(terminate=True)
    keeper.ended(first.id)
    wait_until(lambda: (result.state, revoked.state) == ("RETRY", "REVOKED"), what="both jobs to be handed on")
    job = second.fetch()
    assert job is not None
    assert job["id"] == result.job_id
    assert not first.finish(held[0])


def test_a_killed_task_has_run_over_its_time_limit(
    keeper: Keeper, hands: Callable, called: Address, work: Callable
) -> None:
    work()  # registers the rules
    result, hand = sample.killer.delay(), hands()
    hand.fetch()
    with connect(called) as conn:
        conn.execute("UPDATE procrastinate_events SET at = at - interval '1 minute' WHERE type = 'started'")
    keeper.ended(hand.id)  # its last heartbeat may be a while ago: it kept Python's lock
    wait_until(lambda: result.state == "FAILURE", what="the failure")
    assert "TimeLimitExceeded" in (result.traceback or "")


def test_the_keeper_rescues_when_no_other_does(
    keeper: Keeper, hands: Callable, called: Address, conn: Connection
) -> None:
    other = rescue.Rescuer(holder="other")
    other.tick(conn)
    hand = hands()

    def vacant() -> bool:
        row = execute(conn, "tasks_beat", worker_id=hand.id, held=[]).fetchone()
        assert row is not None
        return bool(row["rescue_is_vacant"])

    assert not vacant()
    keeper.rescue_is_vacant()  # another worker was first
    wait_until(lambda: not keeper._has_work(), what="the look at the lease")
    assert not keeper.is_rescuing
    conn.execute("UPDATE ganns.task_leases SET until = now() - interval '1 s'")
    assert vacant()
    keeper.rescue_is_vacant()
    wait_until(lambda: keeper.is_rescuing, what="the lease")
    assert not vacant()
    result = sample.add.apply_async((1,), expires=0)
    wait_until(lambda: result.state == "REVOKED", what="the upkeep")
    kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'ganns supervisor'"
    assert conn.execute(kill).fetchone() == (1,)
    wait_until(lambda: not keeper.is_rescuing, what="the loss to be noticed")
    keeper.ended(hand.id)
    wait_until(lambda: not keeper._has_work(), what="a new connection")


def test_a_late_workers_heartbeat_and_terminate(hands: Callable, called: Address) -> None:
    told: list[tuple[int, int]] = []
    hand, result = hands(), sample.add.delay(1)
    hand.fetch()
    hand.fall_silent()
    result.revoke(terminate=True)
    keeper = Keeper(called, lambda worker, job: told.append((worker, job)))
    try:
        keeper.beat_for(hand.id)
        wait_until(lambda: told, what="the job to be named")
        assert told == [(hand.id, result.job_id)]
        with connect(called) as conn:
            assert rescue.rescue(conn) == []
    finally:
        keeper.close(30)


def test_it_takes_the_tasks_of_its_queues(called: Address, tmp_path: Path) -> None:
    process = WorkerProcess(called, tmp_path, "w", APP, "a, b")
    try:
        other = sample_app.pid.delay()
        results = [sample_app.pid.apply_async(queue=queue) for queue in ("a", "b")]
        assert len({result.get(timeout=120) for result in results}) == 1
        assert other.state == "PENDING"
    finally:
        process.end()
    assert "no run is open" not in process.log


def test_one_more_task_runs_while_one_only_waits(worker: WorkerProcess, conn: Connection, tmp_path: Path) -> None:
    """A worker's two tasks wait for each other's file; a third one, which would find it, comes after them."""
    one, other, third = (tmp_path / name for name in ("one", "other", "third"))
    first = sample_app.wait_for.delay(str(one))
    wait_until((tmp_path / "one.awaited").exists, what="the first task")
    second = sample_app.wait_for.delay(str(other))
    wait_until((tmp_path / "other.awaited").exists, what="the second task, beside the first")
    last = sample_app.wait_for.delay(str(third))
    running = "SELECT count(*) FROM procrastinate_jobs WHERE status = 'doing' AND task_name LIKE %s"
    assert conn.execute(running, ["%wait_for"]).fetchone() == (2,)
    for path in (other, one, third):
        path.touch()
    assert [one.get(timeout=60) for one in (first, second, last)] == ["it came"] * 3


@pytest.mark.parametrize(
    ("queues", "said"),
    [
        ("a,,b", r"--queues='a,,b' has an empty name: write names with commas"),
        (" ", r"--queues=' ' has an empty name"),
        ("a," + "b" * 41, r"queue='b{41}' must be a text of 1 to 40 bytes"),
    ],
)
def test_wrong_queues_are_one_sentence(queues: str, said: str, called: Address) -> None:
    environment = os.environ | {"GANNS_DATABASE_URL": called.conninfo}
    ended = warm.run([sys.executable, "-m", "ganns", "worker", "--app", APP, "--queues", queues], env=environment)
    assert ended.returncode == 1
    assert re.search(f"Error: {said}", ended.stdout + ended.stderr), ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr


@pytest.mark.parametrize(
    ("app", "said"),
    [
        ("my_tasks.app", r"There is no app 'my_tasks.app' \(No module named 'my_tasks'\)"),
        ("tasks.nothing", "There is no app 'tasks.nothing' .*There is `--app tasks.app`"),
        ("mine", "There is no app 'mine' .*There is `--app mine.app`"),
        ("./mine.app", "There is no app './mine.app': that is no name with dots"),
        ("", "--app is empty"),
        ("exits.app", r"The app 'exits.app' cannot be loaded: SystemExit: bye \(.*exits.py, line 1\)"),
        (
            "celery_like.app",
            r"The app 'celery_like.app' cannot be loaded: .*@task\(app=app\).* \(.*celery_like.py, line 3\)",
        ),
        ("broken.app", r"The app 'broken.app' cannot be loaded: ValueError: no \(.*broken.py, line 1\)"),
        ("unimportable.app", r"The tasks in not_there cannot be loaded: ModuleNotFoundError: .*not_there"),
        ("stock.app", "'stock.app' is procrastinate's App"),
    ],
)
def test_a_wrong_app_is_one_sentence(app: str, said: str, called: Address, tmp_path: Path) -> None:
    """Not a traceback, and no process after the other."""
    (tmp_path / "broken.py").write_text("raise ValueError('no')")
    (tmp_path / "unimportable.py").write_text("from ganns.queue.app import App\napp = App(['not_there'])")
    (tmp_path / "exits.py").write_text("raise SystemExit('bye')")
    (tmp_path / "mine.py").write_text("from ganns.queue.app import App\napp = App(['mine'])")
    celery_like = "from ganns.queue.app import App\napp = App(['celery_like'])\n@app.task\ndef f(): pass"
    (tmp_path / "celery_like.py").write_text(celery_like)
    stock = "import procrastinate\napp = procrastinate.App(connector=procrastinate.PsycopgConnector())"
    (tmp_path / "stock.py").write_text(stock)
    environment = os.environ | {"GANNS_DATABASE_URL": called.conninfo}
    command = [sys.executable, "-m", "ganns", "worker", "--app", app]
    with (tmp_path / "log").open("w") as log:
        process = warm.start(command, env=environment, cwd=tmp_path, stdout=log, stderr=subprocess.STDOUT)
    assert process.wait(120) == 1
    text = (tmp_path / "log").read_text()
    assert re.search(f"Error: {said}", text), text
    assert "Traceback" not in text
    assert "starting it again" not in text


# ------------------------------------------------------------------------------------ the supervisor, without database


class Notes:
    """A keeper that notes what it is told."""

    def __init__(self) -> None:
        self.late: list[int] = []
        self.gone: list[int] = []

    def beat_for(self, worker_id: int) -> None:
        self.late.append(worker_id)

    def ended(self, worker_id: int) -> None:
        self.gone.append(worker_id)


class Standing(Child):
    """A child whose process is this one."""

    pid = os.getpid()

    def __init__(self) -> None:
        super().__init__("w", [], {}, lambda event: None)
        self.is_up = True

    def is_running(self) -> bool:
        return self.is_up

    def kill(self) -> None:
        self.is_up = False


def watched() -> tuple[Supervisor, Standing, Notes]:
    notes, child = Notes(), Standing()
    supervisor = Supervisor([], {"w": {}}, lambda name, text: None, limits=Limits(), keeper=notes)  # type: ignore[arg-type]
    supervisor._children = [child]
    child.handle({"event": "registered", "worker": 7}, 0.0)
    child.handle({"event": "heartbeat", "worker": 7}, 0.0)
    return supervisor, child, notes


def test_the_keeper_beats_for_a_child_that_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    supervisor, child, notes = watched()
    for now in (1.0, 3.4, 3.6, 4.0, 6.0):
        supervisor._check_children(now, leaving=False)
    assert notes.late == [7, 7]  # every 2 s
    monkeypatch.setattr(platforms, "vitals", lambda pid: platforms.Vitals(is_stopped=True, cpu_s=0.0))
    supervisor._check_children(9.0, leaving=False)
    assert notes.late == [7, 7]  # a stopped process computes nothing
    child.is_up = False
    for now in (9.1, 9.2):
        supervisor._check_children(now, leaving=False)
    assert notes.gone == [7]


def test_a_busy_child_that_computes_has_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    supervisor, child, _ = watched()
    cpu_s = 0.0
    monkeypatch.setattr(platforms, "vitals", lambda pid: platforms.Vitals(is_stopped=False, cpu_s=cpu_s))
    child.handle({"event": "started", "job": 1, "time_limit": None}, 0.0)
    for now in range(0, 300):
        cpu_s = float(now)
        supervisor._check_children(now, leaving=False)
    assert child.is_up
    for now in range(300, 361):  # from here on it uses no processor
        supervisor._check_children(now, leaving=False)
    assert not child.is_up


def test_the_end_of_a_task_that_kept_pythons_lock_is_a_sign_of_life() -> None:
    """Its end is read before the next heartbeat: the idle limit was over at that moment, and the process was killed."""
    supervisor, child, _ = watched()
    child.handle({"event": "started", "job": 1, "time_limit": None}, 0.0)
    supervisor._check_children(25.0, leaving=False)
    child.handle({"event": "finished", "job": 1}, 25.1)
    supervisor._check_children(25.2, leaving=False)
    assert child.is_up
    supervisor._check_children(45.0, leaving=False)
    assert child.is_up
    supervisor._check_children(45.2, leaving=False)
    assert not child.is_up


@pytest.mark.parametrize("is_slowed", [False, True])
def test_a_stopped_child_is_killed_and_one_that_is_slowed_down_is_not(is_slowed: bool) -> None:
    """Slowed down: stopped and continued in turn, here continued only between the supervisor's looks."""
    supervisor, child, _ = watched()
    with subprocess.Popen(["sleep", "600"]) as process:
        child.pid = process.pid
        process.send_signal(signal.SIGSTOP)
        for now in (1.0, 3.0, 5.0, 7.0):
            wait_until(lambda: platforms.vitals(process.pid).is_stopped, what="the stop")
            supervisor._check_children(now, leaving=False)
            if is_slowed:
                turns = platforms.vitals(process.pid).num_turns
                process.send_signal(signal.SIGCONT)
                wait_until(lambda turns=turns: platforms.vitals(process.pid).num_turns > turns, what="a turn")
                process.send_signal(signal.SIGSTOP)
        process.kill()
    assert child.is_up == is_slowed


def test_the_vitals_of_a_process() -> None:
    mine = platforms.vitals(os.getpid(), "linux")
    assert mine is not None
    assert not mine.is_stopped
    assert mine.cpu_s > 0
    assert platforms.vitals(os.getpid(), "win32") is None
    assert platforms.vitals(2**22 + 1, "linux") is None
