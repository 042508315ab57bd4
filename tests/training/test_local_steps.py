"""`strategy=local_steps`, against a training loop written out here with torch.optim and nothing of ours."""

from dataclasses import replace

import pytest
import torch
from torch.nn.functional import softplus

from ganns.config import (
    Config,
    HingeLoss,
    LocalStepsStrategy,
    ModelConfig,
    NonSaturatingLoss,
    from_dict,
)
from ganns.errors import ConfigError
from ganns.training.aggregation import Accumulator
from ganns.training.local_steps import STATISTICS_STEPS, LocalStepsUnit
from ganns.training.networks import build, parameters_of, statistics_of
from ganns.training.plan import Cursor, num_steps, step_bounds
from ganns.training.seeds import generator
from ganns.training.state import Progress, TrainingState

MODEL = ModelConfig(image_size=32, latent_dim=16, features_g=8, features_d=8)


def config_of(steps: int = 3, batch: int = 4, **changes) -> Config:
    strategy = LocalStepsStrategy(unit_images=steps * batch, micro_batch=batch)
    return Config(model=MODEL, strategy=replace(strategy, **changes), seed=3)


def images(count: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def unit(config: Config, state: TrainingState, real: torch.Tensor, number: int = 0):
    computer = LocalStepsUnit(config)
    computer.load(state.weights())
    return computer.compute(real, (3, state.progress.version, number))


def reference(config: Config, real: torch.Tensor, number: int = 0):
    """The loop of the tutorials: zero_grad, backward, step, for D and then for G."""
    gen, disc = build(config.model, config.seed)
    rates = {"betas": (config.optimizer.beta1, config.optimizer.beta2), "eps": config.optimizer.eps}
    opt_g = torch.optim.Adam(gen.parameters(), lr=config.optimizer.lr_g, fused=False, foreach=False, **rates)
    opt_d = torch.optim.Adam(disc.parameters(), lr=config.optimizer.lr_d, fused=False, foreach=False, **rates)
    rng = generator(config.seed, 0, number, "noise")
    for batch in real.split(config.strategy.micro_batch):
        fake = gen(torch.randn(len(batch), config.model.latent_dim, generator=rng))
        opt_d.zero_grad()
        (softplus(-disc(batch)).mean() + softplus(disc(fake.detach())).mean()).backward()
        opt_d.step()
        opt_g.zero_grad()
        softplus(-disc(fake)).mean().backward()
        opt_g.step()
    return {"g": gen, "d": disc}


def test_a_unit_equals_an_ordinary_training_loop():
    config = config_of()
    real = images(12)
    result = unit(config, TrainingState(config), real)
    start, end = build(config.model, config.seed), reference(config, real)
    for role, before in zip(("g", "d"), start, strict=True):
        for name, value in parameters_of(before).items():
            moved = value - parameters_of(end[role])[name]
            found = result.parts[role].gradients[name]
            # Adam's first steps are as large for a tiny gradient as for a large one: a sign that rounding flips counts.
            assert float((found - moved).norm() / moved.norm()) < 2e-2, (role, name)


def test_with_outer_rate_1_the_new_weights_are_the_mean_of_the_workers_weights():
    config = config_of()
    state = TrainingState(config)
    totals = {"g": Accumulator(), "d": Accumulator()}
    ends = []
    for number, count in enumerate((12, 8)):  # a short unit weighs less
        real = images(count, seed=number)
        result = unit(config, state, real, number)
        ends.append((count, reference(config, real, number)))
        for role, part in result.parts.items():
            totals[role].add(part, count)
    state.advance(totals, Progress(0, 20, 0.0, Cursor()))
    for role in ("g", "d"):
        for name, value in parameters_of(state.networks[role]).items():
            expected = sum(count / 20 * parameters_of(end[role])[name] for count, end in ends)
            assert torch.allclose(value, expected, atol=2e-4), (role, name)


def test_nesterov_is_the_outer_optimizer(tmp_path):
    config = config_of(outer_lr=0.7, outer_momentum=0.9)
    state = TrainingState(config)
    weight = parameters_of(state.networks["g"])["layers.0.weight"].clone()
    momentum = torch.zeros_like(weight)
    for version in range(3):
        totals = {"g": Accumulator(), "d": Accumulator()}
        result = unit(config, state, images(12, seed=version))
        for role, part in result.parts.items():
            totals[role].add(part, 12)
        delta = result.parts["g"].gradients["layers.0.weight"]
        momentum = 0.9 * momentum + delta
        weight = weight - 0.7 * (delta + 0.9 * momentum)  # Sutskever et al. 2013, in PyTorch's form
        # Through bytes and back each time: the momentum is part of the state.
        state.advance(totals, Progress(0, 12, 0.0, Cursor()))
        state.save(tmp_path / "state")
        state = TrainingState.from_bytes(config, (tmp_path / "state").read_bytes())
        assert torch.allclose(parameters_of(state.networks["g"])["layers.0.weight"], weight, atol=1e-6)


def test_a_unit_does_not_depend_on_the_one_before():
    config = config_of()
    state = TrainingState(config)
    computer = LocalStepsUnit(config)
    computer.load(state.weights())
    first = computer.compute(images(12), (3, 0, 0))
    computer.compute(images(12, seed=1), (3, 0, 1))
    calls = []
    assert computer.compute(images(12, seed=2), (3, 0, 2), should_stop=lambda: not calls.append(0)) is None
    assert len(calls) == 1  # it was abandoned after a step
    again = computer.compute(images(12), (3, 0, 0))
    for role in ("g", "d"):
        for name, value in first.parts[role].gradients.items():
            assert torch.equal(value, again.parts[role].gradients[name])
        for name, sums in first.parts[role].sums.items():
            assert torch.equal(sums, again.parts[role].sums[name])


def test_statistics_are_those_of_the_last_steps():
    config = config_of(steps=STATISTICS_STEPS + 4, batch=2)
    state = TrainingState(config)
    real = images(2 * (STATISTICS_STEPS + 4))
    result = unit(config, state, real)
    layer = "layers.4"  # G's second BatchNorm, whose input is 8x8
    count = result.parts["g"].sums[layer][-1]
    assert count == STATISTICS_STEPS * 2 * 8 * 8
    # D sees a real and a generated batch in its own step; what it sees in G's step does not count.
    assert result.parts["d"].sums["layers.3"][-1] == 2 * STATISTICS_STEPS * 2 * 8 * 8
    totals = {"g": Accumulator(), "d": Accumulator()}
    for role, part in result.parts.items():
        totals[role].add(part, len(real))
    state.advance(totals, Progress(0, len(real), 0.0, Cursor()))
    pooled = totals["g"].statistics()[f"{layer}.running_mean"]
    assert torch.equal(statistics_of(state.networks["g"])[f"{layer}.running_mean"], pooled)  # not a tenth of it


@pytest.mark.parametrize(
    ("num", "size", "expected"),
    [
        (12, 4, [(0, 4), (4, 4), (8, 4)]),
        (13, 4, [(0, 4), (4, 4), (8, 5)]),
        (14, 4, [(0, 4), (4, 4), (8, 4), (12, 2)]),
        (3, 4, [(0, 3)]),
    ],
)
def test_a_small_rest_joins_the_step_before(num, size, expected):
    assert step_bounds(num, size) == expected
    assert num_steps(config_of(steps=5)) == 5


def test_the_average_means_the_same_in_both_strategies():
    """A round of H steps decays like H rounds of one."""
    config = config_of(steps=4)
    state = TrainingState(config)
    state.progress = replace(state.progress, version=10_000, steps=40_000)
    state.ema = {name: torch.zeros_like(value) for name, value in state.ema.items()}
    state._average(4)
    name = "layers.0.weight"
    current = parameters_of(state.networks["g"])[name]
    assert torch.allclose(state.ema[name], (1 - 0.999**4) * current, rtol=1e-4)


def test_every_loss_option_trains():
    for loss in (HingeLoss(), NonSaturatingLoss(r1=1.0), NonSaturatingLoss(augment="color,translation,cutout")):
        config = replace(config_of(), loss=loss)
        result = unit(config, TrainingState(config), images(12))
        assert all(bool(value.isfinite().all()) for part in result.parts.values() for value in part.gradients.values())
        assert {"d_loss", "g_loss", "d_real", "d_fake"} == result.metrics.keys()


def test_a_pipeline_is_refused():
    values = {"strategy": {"name": "local_steps", "pipeline": True}, "stop": {"rounds": 1}}
    with pytest.raises(ConfigError, match=r"^strategy\.pipeline is a setting of strategy=gradient, and this run has"):
        from_dict(values)
