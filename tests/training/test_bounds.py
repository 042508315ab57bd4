"""How large a result may be."""

from __future__ import annotations

import math

import pytest
import torch

from ganns.config import GradientStrategy, LocalStepsStrategy, ModelConfig, OptimizerConfig
from ganns.errors import BadResult, ImplausibleResult
from ganns.training import bounds
from ganns.training.aggregation import build_totals
from ganns.training.bounds import Size, SizeLimits, check_metrics, largest_change, measure, remembered
from ganns.training.state import Progress, TrainingState
from ganns.training.strategies import build_computer
from tests.support.fakes import tiny

STRATEGIES = {
    "gradient": GradientStrategy(unit_images=8, micro_batch=4),
    "local_steps": LocalStepsStrategy(unit_images=34, micro_batch=2),  # 17 steps: more than the statistics are over
}


def unit(config, num_images, seed=0):
    """Return a state, and a result of its version."""
    state, computer = TrainingState(config), build_computer(config)
    computer.load(state.weights())
    size = config.model.image_size
    images = torch.randn(num_images, 3, size, size, generator=torch.Generator().manual_seed(seed)).clamp(-1, 1)
    result = computer.compute(images, (0, 0, seed))
    assert result is not None
    return state, result


@pytest.mark.parametrize(("strategy", "num_images"), [("gradient", 8), ("gradient", 7), ("local_steps", 35)])
@pytest.mark.parametrize("size", [32, 64, 128])
def test_a_healthy_result_passes_before_and_after_a_step(strategy, num_images, size):
    model = ModelConfig(image_size=size, latent_dim=8, features_g=2, features_d=2)
    config = tiny(strategy=STRATEGIES[strategy], model=model)
    state, result = unit(config, num_images)
    totals = build_totals(config.aggregate)
    sizes = {}
    for role, network in state.networks.items():
        sizes[role] = measure(result.parts[role], role, network, config, num_images)  # the counts are exact
        limits = remembered(role, config, network, state.optimizers[role])
        assert limits.layers is None  # a new network's statistics are no memory
        assert (limits.norm is None) == (strategy == "gradient")
        limits.check(sizes[role])
        totals[role].add(result.parts[role], num_images)
    state.advance(totals, Progress())
    for role, network in state.networks.items():
        limits = remembered(role, config, network, state.optimizers[role])
        assert limits.are_known
        limits.check(sizes[role])
        with pytest.raises(ImplausibleResult, match="norm"):
            limits.check(Size(1e6 * sizes[role].norm, sizes[role].layers))
        with pytest.raises(ImplausibleResult, match="BatchNorm sums"):
            limits.check(Size(0.0, {name: 1e4 * value for name, value in sizes[role].layers.items()}))


def test_after_one_step_adam_remembers_the_norm_exactly():
    config = tiny()
    state, result = unit(config, 8)
    totals = build_totals(config.aggregate)
    for role in ("d", "g"):
        totals[role].add(result.parts[role], 8)
    state.advance(totals, Progress())
    norm = math.sqrt(sum(float(g.double().square().sum()) for g in result.parts["d"].gradients.values()))
    found = remembered("d", config, state.networks["d"], state.optimizers["d"]).norm
    assert found == pytest.approx(bounds.FACTOR * norm, rel=1e-4)


@pytest.mark.parametrize("betas", [(0.5, 0.999), (0.0, 0.9), (0.9, 0.5), (0.0, 0.0), (0.5, 0.25)])
def test_no_gradients_move_adam_farther_than_the_bound(betas):
    """The worst gradients for each length, from the proof, and random ones of all sizes."""
    steps, reach = 12, [bounds._largest_step(*betas, number) for number in range(1, 13)]
    generator = torch.Generator().manual_seed(0)
    tried = [torch.randn(200, generator=generator) * 10.0 ** torch.randint(-3, 4, (200,), generator=generator)]
    for _ in range(steps - 1):
        tried.append(torch.randn(200, generator=generator) * 10.0 ** torch.randint(-3, 4, (200,), generator=generator))
    if betas[1]:
        # Column 0: g_k proportional to a_k / b_k makes the inequality an equality in the last step.
        for step in range(steps):
            tried[step][0] = (betas[0] / betas[1]) ** (steps - 1 - step)
    weight = torch.zeros(200, requires_grad=True)
    adam = torch.optim.Adam([weight], lr=1.0, betas=betas, eps=1e-30)
    for number, gradient in enumerate(tried):
        before = weight.detach().clone()
        weight.grad = gradient.clone()
        adam.step()
        moved = (weight.detach() - before).abs()
        assert float(moved.max()) <= reach[number] * (1 + 1e-4)
    if betas[1]:
        assert float(moved[0]) == pytest.approx(reach[-1], rel=1e-3)


def test_the_largest_change_is_far_above_a_real_one_and_far_below_an_absurd_one():
    config = tiny(strategy=STRATEGIES["local_steps"])
    state, result = unit(config, 34)
    for role, network in state.networks.items():
        norm = measure(result.parts[role], role, network, config, 34).norm
        assert norm < largest_change(role, config, network) < 100 * norm
    for betas in ((0.999, 1e-9), (0.5, 0.0)):  # settings without a bound
        free = tiny(
            strategy=LocalStepsStrategy(unit_images=400, micro_batch=2),
            optimizer=OptimizerConfig(beta1=betas[0], beta2=betas[1]),
        )
        assert largest_change(role, free, network) == math.inf


@pytest.mark.parametrize("fault", ["one value", "1e300 values", "another unit's", "negative variance"])
def test_sums_that_no_images_can_have_are_refused(fault):
    config = tiny()
    state, result = unit(config, 8)
    sums = next(iter(result.parts["g"].sums.values()))
    width = (len(sums) - 1) // 2
    match fault:
        case "one value":
            sums[-1] = 1
        case "1e300 values":
            sums[-1] = 1e300
        case "another unit's":
            sums *= 2
        case "negative variance":
            sums[width] = 0
            sums[0] = 1
    with pytest.raises(BadResult, match="BatchNorm sums") as caught:
        measure(result.parts["g"], "g", state.networks["g"], config, 8)
    assert not isinstance(caught.value, ImplausibleResult)  # no model has such sums


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e300])
def test_losses_are_float32_numbers(value):
    good = {"d_loss": -3e38, "g_loss": 0.0, "d_real": 1.0000001, "d_fake": 0.0}
    check_metrics(good)
    for name in good:
        with pytest.raises(ImplausibleResult, match=name):
            check_metrics(good | {name: value})


def test_the_median_of_three_stands_for_a_memory():
    sizes = [Size(1.0, {"bn": 2.0}), Size(1e30, {"bn": 1e30}), Size(3.0, {"bn": 1.0})]
    limits = SizeLimits(None, None).or_median(sizes)
    assert limits == SizeLimits(300.0, {"bn": 200.0})
    assert [limits.is_exceeded(size) for size in sizes] == [False, True, False]
    assert SizeLimits(7.0, None).or_median(sizes).norm == 7.0
    assert SizeLimits(7.0, {"bn": 5.0}).raised_to(Size(1.0, {"bn": 0.01})) == SizeLimits(100.0, {"bn": 5.0})
