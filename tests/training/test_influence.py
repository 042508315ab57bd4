"""What a result did in its round's step, against NumPy's own computation of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ganns.config import AggregateConfig
from ganns.training.aggregation import Accumulator, Tensors, build_rule
from ganns.training.influence import MAX_NUMBERS, influence, observe, sample
from ganns.training.unit import Part

SHAPES = {"layers.0.weight": (8, 3, 4, 4), "layers.0.bias": (8,), "last": (5, 7)}
COUNTS = (8, 8, 3, 16)


def gradients(seed: int, shapes: dict[str, tuple[int, ...]] = SHAPES, noise: float = 2.0) -> Tensors:
    """A direction that all have, and noise of this one's own."""
    rng, common = np.random.RandomState(seed), np.random.RandomState(99)
    return {
        name: torch.from_numpy((common.randn(*shape) + noise * rng.randn(*shape)).astype(np.float32))
        for name, shape in shapes.items()
    }


def flat(tensors: Tensors) -> np.ndarray:
    return np.concatenate([tensors[name].numpy().astype(np.float64).ravel() for name in tensors])


@pytest.mark.parametrize("rule", ["mean", "median"])
def test_cosine_and_share_are_numpys_and_the_step_is_the_same(rule: str) -> None:
    config = AggregateConfig(name=rule)
    plain, watched = Accumulator(build_rule(config)), Accumulator(build_rule(config))
    observed = observe({"g": watched})["g"]
    assert observed.influences() == []  # the update is not known yet
    units = [gradients(seed) for seed in range(len(COUNTS))]
    for one, count in zip(units, COUNTS, strict=True):
        plain.add(Part(one, {}), count)
        watched.add(Part(one, {}), count)
    update, same = plain.combine(), watched.combine()
    assert all(torch.equal(update[name], same[name]) for name in update)

    u = flat(update)
    for found, one, count in zip(observed.influences(), units, COUNTS, strict=True):
        g = flat(one)
        assert found.cosine == pytest.approx(g @ u / np.sqrt((g @ g) * (u @ u)), rel=1e-6)
        assert found.share == pytest.approx(count / sum(COUNTS) * (g @ u) / (u @ u), rel=1e-6)
    total = sum(found.share for found in observed.influences())
    assert (total == pytest.approx(1, rel=1e-5)) == (rule == "mean")


def test_a_gradient_against_all_others_has_a_cosine_and_a_share_below_0() -> None:
    watched = Accumulator()
    observed = observe({"d": watched})["d"]
    for seed in (0, 1, 2):
        watched.add(Part(gradients(seed, noise=0.5), {}), 8)
    watched.add(Part({name: -one for name, one in gradients(3, noise=0.5).items()}, {}), 8)
    watched.combine()
    found = observed.influences()
    assert found[-1].cosine < 0 < min(one.cosine for one in found[:-1])
    assert found[-1].share < 0


def test_of_a_large_network_every_kth_number_says_nearly_the_same() -> None:
    shapes = {"large": (512, 700), "small": (300,)}
    one, other = gradients(1, shapes), gradients(2, shapes)
    assert sum(value.numel() for value in one.values()) > 5 * MAX_NUMBERS
    some = sample(one)
    assert MAX_NUMBERS // 2 < len(some) <= MAX_NUMBERS + len(shapes)
    g, u = flat(one), flat(other)
    exact = influence(torch.from_numpy(g), torch.from_numpy(u), 0.25)
    found = influence(some, sample(other), 0.25)
    assert found.cosine == pytest.approx(exact.cosine, abs=0.02)
    assert found.share == pytest.approx(exact.share, abs=0.01)
    assert len(sample({"w": torch.arange(10.0)})) == 10  # a small one is taken whole


def test_nothing_divides_by_zero() -> None:
    zero, one = torch.zeros(3), torch.ones(3)
    assert influence(zero, one, 0.5) == influence(one, zero, 0.5) == influence(zero, zero, 0.5)
    assert (influence(zero, one, 0.5).cosine, influence(zero, one, 0.5).share) == (0.0, 0.0)
    huge = torch.full((4,), 3e38)
    assert influence(huge, huge, 0.5).cosine == pytest.approx(1)
