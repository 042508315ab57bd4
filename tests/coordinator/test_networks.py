"""Networks of another package in a whole run: checked by their own shapes, judged by the coordinator, equal to solo."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from ganns import plugins
from ganns.config import StopConfig
from ganns.coordinator.create import create_run
from ganns.coordinator.warm_start import start_state
from ganns.data import images_of
from ganns.errors import ConfigError, PluginError
from ganns.store import weights
from ganns.training.networks import NETWORKS
from ganns.training.state import TrainingState
from tests.coordinator.test_faults import finish_run
from tests.support.fakes import FakeWorker, publish_state, solo_digest, tiny
from tests.support.helpers import wait_until
from tests.training.test_networks import MODEL, networks


@pytest.fixture
def mine(monkeypatch):
    """A run's model with networks that have a BatchNorm layer where DCGAN has none, and one without it."""
    middle = networks(lambda: torch.nn.BatchNorm1d(16), lambda: torch.nn.GroupNorm(2, 4))
    monkeypatch.setitem(NETWORKS, "mine", middle)
    monkeypatch.setattr(plugins, "packages", lambda config: {})
    return replace(MODEL, name="mine")


def test_a_run_with_other_networks_equals_solo(coordinate, join, mine):
    config = tiny(model=mine, stop=StopConfig(rounds=2))
    coordinator = coordinate(config)
    finish_run(coordinator, join())
    assert coordinator.done
    assert coordinator.digest == solo_digest(config)


@pytest.mark.parametrize("kind", ["mine", "conditional"])
def test_a_wrong_result_is_the_worker_s_fault_there_too(coordinate, join, database, mine, kind):
    """The coordinator computes the unit itself: with these networks, and with the unit's labels."""
    model = mine if kind == "mine" else replace(MODEL, conditional=True)
    config = tiny(model=model, stop=StopConfig(rounds=1))

    class Nan(FakeWorker):
        def compute(self, claim):
            found, result = super().compute(claim)
            next(iter(result.parts["g"].gradients.values())).flatten()[0] = torch.nan
            return found, result

    coordinator, bad = coordinate(config), Nan(database, "bad")
    try:
        wait_until(bad.work, what="a bad result")
        wait_until(lambda: any("refused a result" in text for text in coordinator.said), what="its refusal")
        finish_run(coordinator, join())
    finally:
        bad.conn.close()
    assert coordinator.digest == solo_digest(config)


def test_networks_that_cannot_be_used_begin_no_run(conn, monkeypatch):
    monkeypatch.setitem(NETWORKS, "mine", networks(None, lambda: torch.nn.Dropout(0.5)))
    with pytest.raises(PluginError, match="the discriminator draws random numbers"):
        create_run(conn, tiny(model=replace(MODEL, name="mine")))
    assert conn.execute("SELECT count(*) FROM ganns.runs").fetchone() == (0,)


def test_start_from_keeps_the_conditions(conn, tmp_path):
    config = tiny(model=replace(MODEL, conditional=True))
    run = create_run(conn, config)
    state = TrainingState(config)
    state.save(tmp_path / "state")
    data = (tmp_path / "state").read_bytes()
    publish_state(conn, run.id, 0, data)
    assert weights.put_checkpoint(conn, run.id, 0, data)
    _, begun = start_state(conn, replace(config, start_from=str(run.id), seed=3))
    assert TrainingState.from_bytes(config, begun).weights_digest() == state.weights_digest()
    assert images_of(config).fingerprint == run.fingerprint
    for key, other in (("conditional", False), ("attributes", "Bald,Bangs")):
        changed = replace(config, model=replace(config.model, **{key: other}), start_from=str(run.id))
        with pytest.raises(ConfigError, match=rf"has model\.{key}=.*; add model\.{key}="):
            start_state(conn, changed)
