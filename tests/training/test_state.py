"""The state: one step against Adam written out, bytes and back, the averaged generator."""

from dataclasses import replace

import pytest
import torch

from ganns.config import Config, ModelConfig, OptimizerConfig
from ganns.errors import PayloadError
from ganns.training.aggregation import Accumulator, Mean
from ganns.training.batchnorm import measure_statistics
from ganns.training.plan import Cursor, Slice
from ganns.training.round_settings import in_round
from ganns.training.seeds import generator
from ganns.training.state import Progress, TrainingState
from ganns.training.unit import Part

MODEL = ModelConfig(image_size=32, latent_dim=8, features_g=4, features_d=4)


def totals_for(state: TrainingState, seed: int) -> dict[str, Accumulator]:
    rng = torch.Generator().manual_seed(seed)
    totals = {}
    for role, network in state.networks.items():
        gradients = {n: torch.randn(p.shape, generator=rng) for n, p in network.named_parameters()}
        sums = {
            n: torch.cat([torch.full((2 * m.num_features,), 6.0), torch.tensor([12.0])]).double()
            for n, m in network.named_modules()
            if isinstance(m, torch.nn.BatchNorm2d)
        }
        totals[role] = Accumulator()
        totals[role].add(Part(gradients, sums), 4)
    return totals


@pytest.mark.parametrize("decay_rounds", [None, 1])
def test_three_steps_equal_adam_written_out(decay_rounds):
    config = Config(model=MODEL, optimizer=OptimizerConfig(lr_g=1e-3, lr_d=5e-4, decay_rounds=decay_rounds))
    state = TrainingState(config)
    name = "layers.0.weight"
    w = {role: dict(net.named_parameters())[name].detach().clone().double() for role, net in state.networks.items()}
    m = {role: torch.zeros_like(w[role]) for role in w}
    v = {role: torch.zeros_like(w[role]) for role in w}
    ema = w["g"].clone()
    for step in range(1, 4):
        totals = totals_for(state, step)
        for role, lr in (("g", 1e-3), ("d", 5e-4)):
            lr /= step if decay_rounds else 1
            g = totals[role].combine()[name].double()
            m[role] = 0.5 * m[role] + 0.5 * g
            v[role] = 0.999 * v[role] + 0.001 * g * g
            w[role] = w[role] - lr * (m[role] / (1 - 0.5**step)) / ((v[role] / (1 - 0.999**step)).sqrt() + 1e-8)
        decay = min(0.999, (1 + step) / (10 + step))
        ema = decay * ema + (1 - decay) * w["g"]
        state.advance(totals, state.progress, in_round(config, None, step - 1))
    for role, network in state.networks.items():
        torch.testing.assert_close(dict(network.named_parameters())[name].double(), w[role], rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(state.ema[name].double(), ema, rtol=1e-5, atol=1e-7)
    assert state.progress.version == 3


def test_the_memory_format_of_a_gradient_changes_nothing():
    plain, permuted = TrainingState(Config(model=MODEL)), TrainingState(Config(model=MODEL))
    totals = totals_for(permuted, 1)
    for total in totals.values():
        assert isinstance(total.rule, Mean)
        total.rule.sums = {
            name: gradient.to(memory_format=torch.channels_last) if gradient.ndim == 4 else gradient
            for name, gradient in total.rule.sums.items()
        }
    assert not totals["g"].combine()["layers.3.weight"].is_contiguous()
    plain.advance(totals_for(plain, 1), plain.progress)
    permuted.advance(totals, permuted.progress)
    assert permuted.weights_digest() == plain.weights_digest()


def test_a_state_continues_bit_for_bit_after_bytes_and_back(tmp_path):
    config = Config(model=MODEL)
    state = TrainingState(config)
    state.advance(totals_for(state, 1), Progress(0, 4, 1.5, Cursor(1, 2, (Slice(0, 8, 4),))))
    state.save(tmp_path / "state")
    again = TrainingState.from_bytes(config, (tmp_path / "state").read_bytes())
    assert again.progress == state.progress
    for one in (state, again):
        one.advance(totals_for(one, 2), one.progress)
    assert again.weights_digest() == state.weights_digest()


def test_version_0_follows_from_the_seed_and_survives_bytes(tmp_path):
    config = Config(model=MODEL, seed=5)
    state = TrainingState(config)
    assert state.weights_digest() == TrainingState(config).weights_digest()
    assert state.weights_digest() != TrainingState(Config(model=MODEL, seed=6)).weights_digest()
    state.save(tmp_path / "state")
    assert (
        TrainingState.from_bytes(config, (tmp_path / "state").read_bytes()).weights_digest() == state.weights_digest()
    )


def test_the_state_of_another_model_is_refused(tmp_path):
    TrainingState(Config(model=MODEL)).save(tmp_path / "state")
    data = (tmp_path / "state").read_bytes()
    wider = Config(model=ModelConfig(image_size=32, latent_dim=8, features_g=8, features_d=4))
    with pytest.raises(PayloadError, match="not the state of this run's model"):
        TrainingState.from_bytes(wider, data)
    with pytest.raises(PayloadError):
        TrainingState.from_bytes(Config(model=MODEL), data[:-10])


def test_samples_come_from_running_statistics_and_leave_the_state_alone():
    state = TrainingState(Config(model=MODEL))
    before = state.weights_digest()
    latent = torch.randn(5, 8)
    images = state.draw(latent, averaged=True)
    assert images.shape == (5, 3, 32, 32)
    torch.testing.assert_close(state.draw(latent[:2], averaged=True), images[:2])  # eval mode: no batch statistics
    assert state.weights_digest() == before


@pytest.mark.parametrize("averaged", [False, True])
def test_what_draws_has_the_statistics_of_its_own_weights(averaged):
    """The first BatchNorm layer's, written out: mean and variance of the layer before it, over 512 images."""
    state = TrainingState(Config(model=MODEL))
    for seed in range(3):
        state.advance(totals_for(state, seed), Progress(0, 4, 0.0, Cursor()))
    before = state.weights_digest()
    network = state.generator(averaged=averaged)
    assert state.weights_digest() == before
    first, norm = network.layers[0], network.layers[1]
    means, variances = [], []
    for start in range(0, 512, 64):
        latent = torch.randn(64, 8, generator=generator(0, "statistics", start))
        seen = first(latent[:, :, None, None]).transpose(0, 1).flatten(1).detach()  # [C, 64 * 4 * 4]
        means.append(seen.mean(1))
        variances.append(seen.var(1))
    assert torch.allclose(norm.running_mean, torch.stack(means).mean(0), atol=1e-6)
    assert torch.allclose(norm.running_var, torch.stack(variances).mean(0), rtol=1e-5)
    assert not torch.allclose(norm.running_var, state.networks["g"].layers[1].running_var, rtol=1e-2)
    assert norm.momentum == 0.1
    assert not network.training


def test_a_network_without_batchnorm_and_a_conditional_one_keep_what_they_have():
    network = torch.nn.Linear(8, 3)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    measure_statistics(network, MODEL)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    state = TrainingState(Config(model=replace(MODEL, conditional=True)))
    state.advance(totals_for(state, 0), Progress(0, 4, 0.0, Cursor()))
    wanted = dict(state.networks["g"].named_buffers())
    for name, value in state.generator(averaged=True).named_buffers():
        assert name.endswith("tracked") or torch.equal(value, wanted[name])
