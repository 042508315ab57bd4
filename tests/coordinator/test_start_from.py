"""A run that starts from another run's version: what it takes over, and that it can be resumed and reproduced."""

from __future__ import annotations

import shutil

import pytest

from ganns import paths
from ganns.config import HomeCodec, ModelConfig, OptimizerConfig, StopConfig, from_dict
from ganns.coordinator.create import create_run
from ganns.coordinator.restore import restore
from ganns.coordinator.state_files import StateFiles
from ganns.coordinator.warm_start import start_state
from ganns.errors import ConfigError, RunError
from ganns.store import lease, runs, weights
from ganns.training.networks import parameters_of, statistics_of
from ganns.training.state import TrainingState
from tests.coordinator.test_faults import finish_run
from tests.support.fakes import tiny


@pytest.fixture
def old(coordinate, join, conn) -> TrainingState:
    """The state of a finished run 1."""
    finish_run(coordinate(tiny(stop=StopConfig(rounds=3))), join())
    found = weights.latest_checkpoint(conn, 1)
    assert found is not None
    return TrainingState.from_bytes(from_dict(runs.get_run(conn, 1).config), found[2])


def test_version_0_is_the_other_runs_version(old, conn):
    config = tiny(start_from="1", seed=5, optimizer=OptimizerConfig(lr_g=1e-3))
    source, data = start_state(conn, config)
    state = TrainingState.from_bytes(config, data)
    assert source == "1@3"
    assert state.weights_digest() == old.weights_digest()  # weights, statistics, average, and Adam's moments
    assert state.progress == TrainingState(config).progress


def test_a_chain_begins_with_the_other_runs_exact_weights(old, conn):
    config = tiny(start_from="1", codec=HomeCodec())
    state = TrainingState.from_bytes(config, start_state(conn, config)[1])
    assert state.published.keys() == state.weights().keys()
    assert all(state.published[name].equal(value) for name, value in old.weights().items())
    assert state.link is None


def test_moments_of_another_decay_are_left_behind(old, conn):
    config = tiny(start_from="1@3", optimizer=OptimizerConfig(beta1=0.9))
    state = TrainingState.from_bytes(config, start_state(conn, config)[1])
    assert not any(optimizer.state for optimizer in state.optimizers.values())
    for role in ("g", "d"):
        network, theirs = state.networks[role], old.networks[role]
        for mine, other in (
            (parameters_of(network), parameters_of(theirs)),
            (statistics_of(network), statistics_of(theirs)),
        ):
            assert all(mine[name].equal(other[name]) for name in other)


def test_it_is_stored_with_the_run_so_that_the_other_run_may_go(old, coordinate, join, conn):
    """Without its own checkpoint a machine that takes over would build version 0 from the seed."""
    expected = old.weights_digest()
    run = create_run(conn, tiny(start_from="latest"))
    assert runs.get_run(conn, run.id).config["start_from"] == "1@3"
    conn.execute("DELETE FROM ganns.runs WHERE id = 1")
    config = from_dict(run.config)
    files = StateFiles(paths.home() / "state" / run.key)
    generation = lease.acquire_lease(conn, run.id)
    assert restore(conn, run, generation, files, config, print).weights_digest() == expected
    lease.release_lease(conn, run.id, generation)
    shutil.rmtree(files.folder)
    first, worker = coordinate(tiny(resume=str(run.id))), join()
    finish_run(first, worker)
    assert first.done
    assert [report.version for report in first.reports] == [1, 2, 3]


def test_without_its_version_0_it_is_refused(old, conn):
    run = create_run(conn, tiny(start_from="1"))
    conn.execute("DELETE FROM ganns.checkpoints WHERE run_id = %s", [run.id])
    files = StateFiles(paths.home() / "state" / run.key)
    with pytest.raises(RunError, match=r"^Run 2 began with version 1@3 of another run, and no checkpoint"):
        restore(conn, run, 0, files, from_dict(run.config), print)


@pytest.mark.parametrize(
    ("changes", "error", "answer"),
    [
        ({"start_from": "7"}, RunError, "There is no run 7"),
        ({"start_from": "1@2"}, RunError, r"start_from=1@2: nothing is left of that version\. .* there is 1@3"),
        ({"start_from": "1@best"}, RunError, "start_from=1@best: nothing is left"),
        ({"start_from": "1@soon"}, ConfigError, "start_from=1@soon cannot be read: give a run, 3, or its version"),
        (
            {"start_from": "1", "model": ModelConfig(image_size=32, latent_dim=8, features_g=8, features_d=4)},
            ConfigError,
            r"start_from=1: run 1 has model\.features_g=4 and this one 8; add model\.features_g=4\.",
        ),
    ],
)
def test_what_cannot_be_is_said(old, conn, changes, error, answer):
    with pytest.raises(error, match=answer):
        create_run(conn, tiny(**changes))
    assert len(runs.list_runs(conn)) == 1
