"""Staleness 1, written out by hand; and the plan of rounds that are opened ahead, under random losses and restarts."""

from __future__ import annotations

import random
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch.nn.functional import softplus

from ganns.config import (
    Config,
    GradientStrategy,
    ModelConfig,
    QuorumConfig,
    StopConfig,
    SyntheticData,
)
from ganns.coordinator.scheduler import Scheduler
from ganns.data import open_images
from ganns.training.networks import build
from ganns.training.plan import Cursor
from ganns.training.seeds import generator, permutation
from ganns.training.solo import train_solo
from ganns.training.state import Progress, TrainingState


def test_solo_applies_to_each_version_the_gradient_at_the_one_before():
    """Four rounds of two units, with nothing of ours but the seeds, the images and the initial networks."""
    config = Config(
        seed=3,
        model=ModelConfig(image_size=32, latent_dim=8, features_g=4, features_d=4),
        data=SyntheticData(count=40, holdout=8),
        strategy=GradientStrategy(unit_images=8, micro_batch=8, pipeline=True),
        quorum=QuorumConfig(units=2),
        stop=StopConfig(rounds=4),
    )
    images = open_images(config.data, 32)
    state = TrainingState(config)
    list(train_solo(config, images, state))

    gen, disc = build(config.model, config.seed)
    old_gen, old_disc = build(config.model, config.seed)  # stay one version behind
    adam = [torch.optim.Adam(network.parameters(), 2e-4, (0.5, 0.999)) for network in (gen, disc)]
    for number in range(4):
        d_loss = g_loss = torch.zeros(())
        for unit in range(2):
            epoch, place = divmod(2 * number + unit, 5)  # five slices of eight images an epoch
            real = images.train(permutation(config.seed, epoch, 40)[8 * place : 8 * place + 8])
            fake = old_gen(torch.randn(8, 8, generator=generator(config.seed, number, unit, "noise")))
            d_loss = d_loss + (softplus(-old_disc(real)).mean() + softplus(old_disc(fake.detach())).mean()) / 2
            g_loss = g_loss + softplus(-old_disc(fake)).mean() / 2
        slopes = torch.autograd.grad(g_loss, list(old_gen.parameters()), retain_graph=True)
        slopes += torch.autograd.grad(d_loss, list(old_disc.parameters()))
        # Before the step: so the next round is computed at the version that this one is applied to.
        old_gen.load_state_dict(gen.state_dict())
        old_disc.load_state_dict(disc.state_dict())
        for parameter, slope in zip([*gen.parameters(), *disc.parameters()], slopes, strict=True):
            parameter.grad = slope
        for one in adam:
            one.step()
    for role, network in (("g", gen), ("d", disc)):
        for name, parameter in network.named_parameters():
            torch.testing.assert_close(state.weights()[f"{role}.{name}"], parameter.detach(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("pipeline", [False, True])
@pytest.mark.parametrize("seed", range(20))
def test_each_epoch_is_covered_exactly_once_whatever_is_left_over(seed, pipeline):
    rng = random.Random(seed)
    config = Config(strategy=GradientStrategy(unit_images=rng.randint(2, 9), pipeline=pipeline))
    config.quorum = QuorumConfig(units=rng.randint(1, 7))
    config.stop = StopConfig(epochs=3)
    num_images = rng.randint(5, 60)
    scheduler = Scheduler(SimpleNamespace(id=1, num_images=num_images), config)
    state = SimpleNamespace(progress=Progress(), base_version=0)
    opened, accepted = {}, []

    def open_what_is_due(num_ahead=0):
        found = scheduler.to_open(state, num_ahead)
        for one in found:
            assert one.weights_version == max(one.round - pipeline, 0)
            opened[one.round] = one.slices
        return bool(found)

    goes_on = open_what_is_due()
    while goes_on:
        number = state.progress.version
        units = [SimpleNamespace(unit=unit, slice=one) for unit, one in opened.pop(number).items()]
        kept = [unit for unit in units if rng.random() < 0.6] or units[:1]
        accepted += [unit.slice for unit in kept]
        num_ahead = len(opened.get(number + 1, []))
        cursor = scheduler.cursor_after(state.progress, units, {unit.unit for unit in kept}, num_ahead)
        cursor = Cursor.from_json(cursor.to_json(), 0)  # as after a restart, between any two rounds
        config.quorum = QuorumConfig(units=rng.randint(1, 7))  # which may change the quorum
        state.progress = replace(state.progress, version=number + 1, cursor=cursor)
        state.base_version = number + 1 - pipeline
        goes_on = open_what_is_due(num_ahead) or num_ahead > 0
        assert len(opened) <= 1 + pipeline
    assert opened == {}
    for epoch in range(3):
        positions = [p for e, start, count in accepted if e == epoch for p in range(start, start + count)]
        assert sorted(positions) == list(range(num_images))


def test_no_round_beyond_the_end_is_opened_ahead():
    config = Config(strategy=GradientStrategy(unit_images=4, pipeline=True), stop=StopConfig(rounds=3))
    scheduler = Scheduler(SimpleNamespace(id=1, num_images=100), config)
    rounds = {
        version: [
            one.round for one in scheduler.to_open(SimpleNamespace(progress=Progress(version), base_version=version), 4)
        ]
        for version in range(1, 4)
    }
    assert rounds == {1: [2], 2: [], 3: []}


def test_an_older_cursor_without_held_slices_can_be_read():
    assert Cursor.from_json({"epoch": 1, "position": 2, "carried": [[0, 8, 4]]}, 4).held == ()


def test_a_state_keeps_the_version_before_through_bytes(tmp_path):
    config = Config(model=ModelConfig(image_size=32, latent_dim=8, features_g=4, features_d=4))
    config.data, config.quorum = SyntheticData(count=16, holdout=4), QuorumConfig(units=1)
    config.strategy = GradientStrategy(unit_images=8, micro_batch=8, pipeline=True)
    config.stop = StopConfig(rounds=2)
    state = TrainingState(config)
    assert state.base_version == 0
    list(train_solo(config, open_images(config.data, 32), state))
    assert state.base_version == 1
    state.save(tmp_path / "state")
    again = TrainingState.from_bytes(config, (tmp_path / "state").read_bytes())
    assert again.base_version == 1
    assert again.weights_digest() == state.weights_digest()
    before, now = again.weights_of(1), again.weights_of(2)
    assert before.keys() == now.keys()
    assert not any(torch.equal(before[name], now[name]) for name in now if name.endswith("0.weight"))


def test_a_run_may_begin_with_the_state_of_a_run_with_a_pipeline(tmp_path):
    config = Config(model=ModelConfig(image_size=32, latent_dim=8, features_g=4, features_d=4))
    config.strategy = GradientStrategy(unit_images=8, micro_batch=8, pipeline=True)
    state = TrainingState(config)
    state.previous, state.progress = state.weights(), Progress(7)
    state.save(tmp_path / "state")
    data = (tmp_path / "state").read_bytes()
    again = TrainingState.from_bytes(config, data)
    assert again.base_version == 6
    again.progress = Progress()
    assert again.base_version == 0
    config.strategy = GradientStrategy(unit_images=8, micro_batch=8)
    assert TrainingState.from_bytes(config, data).base_version == 7
