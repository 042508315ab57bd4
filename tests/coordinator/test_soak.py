"""A random process is killed every few seconds: worker, supervisor, coordinator, server. Training ends all the same.

    GANNS_SOAK_S=600 python -m pytest tests/coordinator/test_soak.py

It ends with exactly the rounds asked for, and the ledger is checked by SQL.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import pytest

from ganns.config import GradientStrategy, QuorumConfig, StopConfig
from ganns.db.connect import connect
from tests.support import warm
from tests.support.fakes import tiny
from tests.support.helpers import ROOT, wait_until
from tests.worker.classroom import Classroom, Server

SOAK_S = float(os.environ.get("GANNS_SOAK_S") or 45)
FAULTS = ("worker", "supervisor", "coordinator", "server", "server, immediate")


class Soak:
    """The processes, and the hand that kills them and starts again what a person or a service would start again."""

    def __init__(self, room: Classroom, folder: Path, rounds: int, seed: int) -> None:
        self.room, self._folder, self._rng = room, folder, random.Random(seed)
        strategy = GradientStrategy(unit_images=8, micro_batch=8, pipeline=self._rng.random() < 0.5)
        self.config = tiny(quorum=QuorumConfig(units=2), stop=StopConfig(rounds=rounds), strategy=strategy)
        self.fired: Counter[str] = Counter()
        self._starts = 0
        self.coordinator = self._coordinate()
        for _ in range(2):
            room.worker()

    def _coordinate(self) -> warm.Process:
        """Start a coordinator, which resumes what there is."""
        self._starts += 1
        with (self._folder / "coordinator.log").open("ab") as log:
            return warm.start(
                [sys.executable, "-m", "tests.support.coordinate", json.dumps(asdict(self.config))],
                cwd=ROOT,
                env=os.environ | {"GANNS_DATABASE_URL": self.room.server.address.conninfo},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def version(self) -> int:
        """Return the run's version; -1 before there is one."""
        row = self.room.one("SELECT version FROM ganns.runs")
        return row[0] if row else -1

    def fault(self) -> None:
        """Kill something; start again what nothing else would."""
        kind = self._rng.choice(FAULTS)
        worker = self._rng.choice(self.room.workers)
        if kind == "worker":
            if (child := worker.child()) is None:
                return  # it is between two processes
            os.kill(child, signal.SIGKILL)
        elif kind == "supervisor":
            worker.process.kill()
            worker.process.wait()
            self.room.workers.remove(worker)
            self.room.worker(f"w{time.monotonic_ns()}")
        elif kind == "coordinator":
            if self.coordinator.poll() is not None:
                return
            self.coordinator.kill()
            self.coordinator.wait()
            self.config.resume = "latest"
            self.coordinator = self._coordinate()
        else:
            self.room.server.stop("immediate" if "immediate" in kind else "fast")
            self.room.server.start()
        self.fired[kind] += 1

    def keep_coordinating(self) -> None:
        """Start the coordinator again if it ended with an error: as a service manager would."""
        if self.coordinator.poll() not in (None, 0):
            self.config.resume = "latest"
            self.coordinator = self._coordinate()


@pytest.mark.slow
@pytest.mark.timeout(SOAK_S * 3 + 400)
def test_soak(tmp_path):
    pause = threading.Event()
    seed = int(os.environ.get("GANNS_SOAK_SEED") or random.SystemRandom().randrange(1 << 30))
    print(f"GANNS_SOAK_SEED={seed}")
    with tempfile.TemporaryDirectory(prefix="ganns-soak-", ignore_cleanup_errors=True) as home:
        server = Server(Path(home))
        room = Classroom(server, tmp_path)
        try:
            soak = Soak(room, tmp_path, rounds=1_000_000, seed=seed)
            wait_until(lambda: soak.version() >= 2, timeout_s=90, what="some rounds")
            until = time.monotonic() + SOAK_S
            while time.monotonic() < until:
                soak.fault()
                soak.keep_coordinating()
                pause.wait(soak._rng.uniform(2.0, 5.0))  # the soak's own pace; nothing is judged by it
            print("fired:", dict(soak.fired))
            assert sum(soak.fired.values()) >= SOAK_S / 15
            # Now it may end: some rounds from here on, asked for by resuming with another stop.
            soak.coordinator.kill()
            soak.coordinator.wait()
            wanted = soak.version() + 10
            soak.config.resume, soak.config.stop.rounds = "latest", wanted
            soak.coordinator = soak._coordinate()

            def ended() -> bool:
                soak.keep_coordinating()
                return soak.coordinator.poll() == 0

            wait_until(ended, timeout_s=240, what=f"the end: {(tmp_path / 'coordinator.log').read_text()[-2000:]}")
            assert soak.version() == wanted
            assert room.one("SELECT state FROM ganns.runs") == ("finished",)
            with connect(server.address) as conn:
                counted = conn.execute(
                    "SELECT count(*), count(DISTINCT (round, unit)), sum(images), count(DISTINCT round) "
                    "FROM ganns.ledger WHERE accepted AND NOT undone"
                ).fetchone()
            assert counted == (wanted * 2, wanted * 2, wanted * 16, wanted)
            room.check_ledger()
        finally:
            if soak.coordinator.poll() is None:
                soak.coordinator.kill()
            soak.coordinator.wait()
            room.close()
            server.embedded.stop()
