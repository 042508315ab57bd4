"""Resuming: what a run keeps, what may change, what a damaged disk or a server that goes away do."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest

from ganns import paths
from ganns.config import QuorumConfig, StopConfig
from ganns.coordinator.create import resume_run
from ganns.coordinator.state_files import StateFiles
from ganns.db.connect import connect
from ganns.db.server.embedded import EmbeddedServer
from ganns.db.server.programs import run_program
from ganns.errors import ConfigError
from ganns.store import runs
from tests.coordinator.test_faults import finish_run
from tests.support.coordinators import Coordinator
from tests.support.databases import copy_cluster
from tests.support.fakes import FakeWorker, solo_digest, tiny
from tests.support.helpers import wait_until


def test_a_resumed_run_keeps_its_settings_but_for_those_that_were_typed(coordinate, join, conn):
    finish_run(coordinate(tiny(stop=StopConfig(rounds=1))), join())
    defaults = tiny(resume="latest", quorum=QuorumConfig(units=4), stop=StopConfig(rounds=7, epochs=20))
    _, config = resume_run(conn, defaults, changed=["resume", "stop.rounds"])
    assert config.quorum.units == 2
    assert (config.stop.rounds, config.stop.epochs) == (7, None)
    _, config = resume_run(conn, defaults, changed=["quorum"])
    assert config.quorum.units == 4
    assert config.stop.rounds == 1


@pytest.mark.parametrize("key", ["seed", "model.features_g", "experiment", "strategy"])
def test_what_decides_the_versions_cannot_change(coordinate, join, conn, key):
    finish_run(coordinate(tiny(stop=StopConfig(rounds=1))), join())
    with pytest.raises(ConfigError, match=rf"^{key} cannot change when a run is resumed"):
        resume_run(conn, tiny(resume="latest"), changed=[key])


def work_until(worker, predicate) -> None:
    """Let the worker do unit after unit, no more than it takes."""
    wait_until(lambda: predicate() or (worker.work() and False), what="some rounds")


def state_files(conn) -> Path:
    return paths.home() / "state" / runs.find_run(conn, "latest").key


def test_a_damaged_state_file_is_noticed_and_the_checkpoint_taken(coordinate, join, conn):
    config = tiny(stop=StopConfig(rounds=4))
    first = coordinate(config)
    worker = join()
    work_until(worker, lambda: len(first.reports) >= 2)
    first.stop.set()
    first.join()
    damaged = list(state_files(conn).glob("version-*"))
    assert damaged
    for path in damaged:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    second = coordinate(tiny(stop=StopConfig(rounds=4), resume="latest"))
    finish_run(second, worker)
    assert second.digest == solo_digest(config)


def test_a_finished_run_leaves_no_state_files_and_can_be_prolonged(coordinate, join, conn):
    worker = join()
    finish_run(coordinate(tiny(stop=StopConfig(rounds=2))), worker)
    assert not state_files(conn).exists()
    longer = coordinate(tiny(stop=StopConfig(rounds=4), resume="latest"))
    finish_run(longer, worker)
    assert longer.digest == solo_digest(tiny(stop=StopConfig(rounds=4)))


def test_two_state_files_are_kept(tmp_path):
    from ganns.training.state import Progress, TrainingState

    files, state = StateFiles(tmp_path), TrainingState(tiny())
    for version in range(4):
        state.progress = Progress(version)
        files.save(state)
    assert [files.read(version) is not None for version in range(5)] == [False, False, True, True, False]
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_the_coordinator_outlives_the_server(mode):
    """Restarted in the middle of a round; `immediate` is a crash, which empties the UNLOGGED tables too."""
    folder = Path(tempfile.mkdtemp(prefix="ganns-restart-"))
    config = tiny(stop=StopConfig(rounds=5))
    try:
        copy_cluster(folder / "pg")
        with EmbeddedServer(folder / "pg") as server:
            coordinator = Coordinator(server.address, config)
            worker = FakeWorker(server.address)
            work_until(worker, lambda: len(coordinator.reports) >= 2)
            run_program("pg_ctl", "stop", "-w", "-m", mode, "-D", str(server.data_dir))
            wait_until(lambda: any("lost the connection" in text for text in coordinator.said), what="the loss")
            wait_until(lambda: any("is away" in text for text in coordinator.said), what="a failed attempt")
            server.start()
            worker.conn.close()
            worker = FakeWorker(server.address)
            wait_until(worker.weights_there, what="the weights, uploaded again if need be")
            finish_run(coordinator, worker)
            worker.conn.close()
            assert coordinator.digest == solo_digest(config)
            with connect(server.address) as conn:
                row = conn.execute("SELECT count(*), sum(images) FROM ganns.ledger WHERE accepted").fetchone()
            assert row == (10, 80)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
