"""Kill things with -9, start them again, and compare the final weights with an undisturbed run."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from typing import ClassVar

import pytest

from ganns.config import Fp32Codec, GradientStrategy, HomeCodec, QuorumConfig, StopConfig, to_dict
from ganns.db.connect import connect
from ganns.store import runs
from tests.support import warm
from tests.support.fakes import solo_digest, tiny
from tests.support.helpers import ROOT, spawn_worker, wait_until, workers


class CoordinatorProcess:
    """`coordinate.py` in a process; its lines are read as they come. It ends with its test, at the latest."""

    started: ClassVar[list[warm.Process]] = []

    def __init__(self, database, config, folder):
        self.log = folder / f"coordinator-{time.monotonic_ns()}.log"
        with self.log.open("wb") as stream:
            self.process = warm.start(
                [sys.executable, "-m", "tests.support.coordinate", json.dumps(to_dict(config))],
                cwd=ROOT,
                env=os.environ | {"GANNS_DATABASE_URL": database.conninfo},
                stdout=stream,
                stderr=stream,
            )
        self.started.append(self.process)

    def lines(self):
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def wait(self, timeout_s=120):
        assert self.process.wait(timeout_s) == 0, self.log.read_text()
        return self.lines()[-1]["digest"]


@pytest.fixture(autouse=True)
def _end_coordinators():
    """Kill what a failed test leaves: it would use the processors, and fail others."""
    yield
    while CoordinatorProcess.started:
        process = CoordinatorProcess.started.pop()
        process.kill()
        process.wait()


def wait_and_pause(coordinator, pause_s):
    """Wait until the coordinator has begun and `pause_s` more; False if it ended meanwhile."""
    wait_until(
        lambda: coordinator.process.poll() is not None or coordinator.lines(), timeout_s=120, what="the coordinator"
    )
    # Rounds take about 30 ms: whichever statement is under way after the pause may be the last.
    until = time.monotonic() + pause_s
    wait_until(lambda: time.monotonic() >= until, what="the random moment")
    return coordinator.process.poll() is None


def kill_and_resume(database, folder, config, num_kills, seed):
    """Kill the coordinator at random moments, resume it each time; return the final digest and the kills made."""
    rng = random.Random(seed)
    coordinator = CoordinatorProcess(database, config, folder)
    kills = 0
    while kills < num_kills and wait_and_pause(coordinator, rng.uniform(0.0, 0.25)):
        coordinator.process.kill()
        coordinator.process.wait()
        kills += 1
        assert coordinator.process.returncode == -signal.SIGKILL
        config.resume = "latest"
        coordinator = CoordinatorProcess(database, config, folder)
    return coordinator.wait(), kills


def strategy(pipeline):
    return GradientStrategy(unit_images=8, micro_batch=8, pipeline=pipeline)


@pytest.mark.parametrize(
    ("num_kills", "pipeline", "codec"),
    [
        pytest.param(2, True, Fp32Codec(), id="2, pipeline"),
        pytest.param(2, False, HomeCodec(), id="2, chain", marks=pytest.mark.slow),
        pytest.param(10, False, Fp32Codec(), id="10", marks=[pytest.mark.slow, pytest.mark.timeout(900)]),
        pytest.param(10, True, HomeCodec(), id="10, all", marks=[pytest.mark.long, pytest.mark.timeout(900)]),
    ],
)
def test_killing_the_coordinator_changes_nothing(database, conn, tmp_path, num_kills, pipeline, codec):
    rounds = 20 * num_kills + 20
    config = tiny(
        quorum=QuorumConfig(units=2), stop=StopConfig(rounds=rounds), strategy=strategy(pipeline), codec=codec
    )
    with workers(database, 2, tmp_path):
        digest, kills = kill_and_resume(database, tmp_path, config, num_kills, seed=num_kills)
    assert kills == num_kills  # every one of them fired while the run was going
    config.resume = None
    assert digest == solo_digest(config)
    images = conn.execute("SELECT sum(images), count(*) FROM ganns.ledger WHERE accepted AND NOT undone").fetchone()
    assert images == (rounds * 16, rounds * 2)


@pytest.mark.slow
def test_a_dead_workers_unit_runs_elsewhere(database, coordinate, tmp_path):
    """Kill a real worker while it holds a unit; the other one gets it within 35 seconds."""
    config = tiny(stop=StopConfig(rounds=40))
    victim = spawn_worker(database, tmp_path / "victim.log", "victim")
    try:
        coordinator = coordinate(config)
        wait_until(lambda: len(coordinator.reports) >= 3, timeout_s=120, what="some rounds")
        os.kill(victim.pid, signal.SIGSTOP)  # in the middle of whatever it does: it holds a unit, or takes none
        with connect(database) as conn:
            running = conn.execute("SELECT count(*) FROM procrastinate_jobs WHERE status = 'doing'").fetchone()[0]
        victim.kill()
        with workers(database, 1, tmp_path):
            coordinator.join(120)  # 35 s of it are promised; a new worker's start takes long on a busy machine
        assert coordinator.digest == solo_digest(config)
        assert running <= 1
    finally:
        victim.kill()
        victim.wait()


def test_ctrl_c_leaves_a_resumable_run_and_resuming_needs_no_waiting(database, conn, tmp_path):
    config = tiny(stop=StopConfig(rounds=200))
    with workers(database, 2, tmp_path):
        first = CoordinatorProcess(database, config, tmp_path)
        wait_until(lambda: len(first.lines()) > 5, timeout_s=120, what="some rounds")
        first.process.send_signal(signal.SIGINT)
        assert first.process.wait(60) == 0
        run = runs.find_run(conn, "latest")
        assert run.state == "open"
        assert 0 < run.version < 200
        config.resume, config.stop.rounds = "latest", run.version + 5
        assert CoordinatorProcess(database, config, tmp_path).wait() == solo_digest(
            tiny(stop=StopConfig(rounds=run.version + 5))
        )
    assert runs.find_run(conn, "latest").state == "finished"


@pytest.mark.slow  # tests/coordinator/test_machines.py tries more of it, faster
@pytest.mark.parametrize("pipeline", [False, True], ids=["one round", "pipeline"])
def test_on_another_machine_the_run_goes_on_from_a_checkpoint(database, conn, tmp_path, pipeline):
    """Without the state file the newest checkpoint is taken; with the quorum at all, the end is the same."""
    config = tiny(stop=StopConfig(rounds=60), strategy=strategy(pipeline))
    config.db.checkpoint_s = 0.2
    with workers(database, 1, tmp_path):
        first = CoordinatorProcess(database, config, tmp_path)
        wait_until(
            lambda: conn.execute("SELECT count(*) FROM ganns.checkpoints WHERE version > 3").fetchone()[0],
            timeout_s=120,
            what="a checkpoint",
        )
        first.process.kill()
        first.process.wait()
        key = runs.find_run(conn, "latest").key
        version = runs.find_run(conn, "latest").version
        from ganns import paths

        for path in (paths.home() / "state" / key).iterdir():
            path.unlink()
        config.resume = "latest"
        second = CoordinatorProcess(database, config, tmp_path)
        digest = second.wait()
    assert second.lines()[0]["version"] <= version
    config.resume = None
    assert digest == solo_digest(config)
    epochs = conn.execute("SELECT sum(images) FROM ganns.ledger WHERE accepted AND NOT undone").fetchone()[0]
    assert epochs == 60 * 16
