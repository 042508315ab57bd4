"""Make version 0 of a run from another run's version: `start_from=3` or `start_from=3@120`."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path

import torch

from ganns import paths
from ganns.config import Config, from_dict
from ganns.db.connect import Connection
from ganns.errors import ConfigError, RunError
from ganns.store import runs, weights
from ganns.store.kept_states import find_state
from ganns.store.runs import Run
from ganns.training.state import TrainingState


def start_state(conn: Connection, config: Config) -> tuple[str, bytes]:
    """Return ("3@120", the bytes of the new run's version 0).

    It has the other run's weights, BatchNorm statistics and averaged generator. It has the optimizers' moments too, if
    the settings that they depend on are equal (`_same_moments`); else the moments begin at 0. Images, time and rounds
    count from 0, and so does the averaging: its decay is small again in the first rounds.

    Raises:
        RunError: if there is no such run, or nothing is left of that version.
        ConfigError: if the models differ.
    """
    assert config.start_from is not None
    which, _, wanted = config.start_from.partition("@")
    source = runs.find_run(conn, which)
    old = from_dict(source.config)
    mine, theirs = asdict(config.model), asdict(old.model)
    if not (config.model.conditional or old.model.conditional):
        del theirs["attributes"]  # neither uses them
    for key, value in theirs.items():
        if mine[key] != value:
            raise ConfigError(
                f"start_from={config.start_from}: run {source.id} has model.{key}={value} and this one {mine[key]}; "
                f"add model.{key}={value}."
            )
    version, data = _find(conn, source, wanted, config.start_from)
    state = _begin(config, TrainingState.from_bytes(old, data))
    with tempfile.TemporaryDirectory() as folder:
        state.save(Path(folder) / "state")
        return f"{source.id}@{version}", (Path(folder) / "state").read_bytes()


def _find(conn: Connection, source: Run, wanted: str, typed: str) -> tuple[int, bytes]:
    """Return (version, bytes) of the wanted state: "" for the newest, "best", or a version's number."""
    if wanted and wanted != "best" and not wanted.isdecimal():
        raise ConfigError(f"start_from={typed} cannot be read: give a run, 3, or its version, 3@120 or 3@best.")
    if wanted != "best":
        version = int(wanted) if wanted else source.version
        folder = paths.home() / "state" / source.key  # this machine may have coordinated it
        expected = weights.state_digest(conn, source.id, version)
        if expected and (data := find_state(folder, version, expected)) is not None:
            return version, data
    best, newest = weights.best_checkpoint(conn, source.id), weights.latest_checkpoint(conn, source.id)
    candidates = {one[0]: one for one in (best, newest) if one is not None}
    wanted_ones = {"": newest, "best": best}
    found = wanted_ones[wanted] if wanted in wanted_ones else candidates.get(int(wanted))
    if found is None:
        there = " and ".join(f"{source.id}@{version}" for version in sorted(candidates)) or "none"
        raise RunError(
            f"start_from={typed}: nothing is left of that version. Of a run the newest version and the best evaluated "
            f"one are kept; there is {there}."
        )
    return found[0], found[2]


@torch.no_grad()
def _begin(config: Config, source: TrainingState) -> TrainingState:
    """Return version 0 of `config` with the tensors of `source`."""
    state = TrainingState(config)
    for name, value in source.ema.items():
        state.ema[name].copy_(value)
    for role, network in state.networks.items():
        network.load_state_dict(source.networks[role].state_dict())
        if not _same_moments(config, source.config):
            continue
        theirs = dict(source.networks[role].named_parameters())
        for name, parameter in network.named_parameters():
            if moments := source.optimizers[role].state.get(theirs[name]):
                state.optimizers[role].state[parameter] = dict(moments)
    state.begin_chain()
    return state


def _same_moments(new: Config, old: Config) -> bool:
    """Tell whether moments can be kept: the same optimizer and decay; learning rates may differ."""

    def meaning(config: Config) -> tuple[object, ...]:
        size = ("unit_images", "micro_batch")  # gradients of larger batches have less noise, and the same mean
        strategy = {key: value for key, value in asdict(config.strategy).items() if key not in size}
        return config.optimizer.name, config.optimizer.beta1, config.optimizer.beta2, strategy

    return meaning(new) == meaning(old)
