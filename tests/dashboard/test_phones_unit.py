"""A unit of the phones, computed by their own script, against PyTorch; and the dashboard's side of the mathematics."""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import playwright
import pytest
import torch
from torch import nn
from torch.nn.functional import softplus
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from ganns.dashboard.phones import network
from ganns.dashboard.phones.network import NUM_G, NUM_WEIGHTS, RECIPES, State
from tests.support.helpers import ROOT

SCRIPT = ROOT / "ganns/dashboard/components/lib/phones/gan.js"
NODE = Path(playwright.__file__).parent / "driver" / "node"  # every machine with the tests' packages has it
SEED = 3_000_000_000


def run_script(then: str) -> Any:
    """Run the phones' script with some lines after it; return what they print as JSON."""
    source = f"{SCRIPT.read_text(encoding='utf-8')}\n{then}"
    command = [str(NODE), "--input-type=module", "-"]
    done = subprocess.run(command, input=source, capture_output=True, text=True, timeout=60, check=True)
    return json.loads(done.stdout)


def uniform(seed: int) -> Callable[[], float]:
    """mulberry32 again, by its definition."""
    state = seed

    def draw() -> float:
        nonlocal state
        state = (state + 0x6D2B79F5) % 2**32
        mixed = (state ^ (state >> 15)) * (state | 1) % 2**32
        mixed ^= (mixed + (mixed ^ (mixed >> 7)) * (mixed | 61)) % 2**32
        return ((mixed ^ (mixed >> 14)) % 2**32) / 2**32

    return draw


def normals(draw: Callable[[], float]) -> tuple[float, float]:
    radius, angle = math.sqrt(-2 * math.log(1 - draw())), 2 * math.pi * draw()
    return radius * math.cos(angle), radius * math.sin(angle)


def samples(seed: int, num: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a unit's real points and its noise."""
    draw, real = uniform(seed), []
    for _ in range(num):
        angle = 2 * math.pi * math.floor(8 * draw()) / 8
        x, y = normals(draw)
        real.append((math.cos(angle) + 0.08 * x, math.sin(angle) + 0.08 * y))
    noise = [normals(draw) for _ in range(num)]
    return torch.tensor(real, dtype=torch.float64), torch.tensor(noise, dtype=torch.float64)


def networks(weights: np.ndarray[Any, Any]) -> tuple[nn.Module, nn.Module]:
    """Return generator and discriminator in float64."""
    made = []
    for part, last in ((weights[:NUM_G], 2), (weights[NUM_G:], 1)):
        one = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, last)).double()
        vector_to_parameters(torch.tensor(part, dtype=torch.float64), one.parameters())
        made.append(one)
    return made[0], made[1]


def by_torch(weights: np.ndarray[Any, Any], seed: int, num: int, r1: float) -> tuple[torch.Tensor, float, float]:
    """Return (gradient, D's loss, G's loss) of a unit by autograd."""
    generator, discriminator = networks(weights)
    real, noise = samples(seed, num)
    real.requires_grad_()
    fake = generator(noise)
    judged = discriminator(real)
    [slope] = torch.autograd.grad(judged.sum(), real, create_graph=True)
    loss_d = softplus(-judged).mean() + softplus(discriminator(fake.detach())).mean()
    loss_d = loss_d + r1 / 2 * slope.square().sum(1).mean()
    loss_g = softplus(-discriminator(fake)).mean()
    of_d = torch.autograd.grad(loss_d, list(discriminator.parameters()), retain_graph=True)
    of_g = torch.autograd.grad(loss_g, list(generator.parameters()))
    return parameters_to_vector([*of_g, *of_d]), loss_d.item(), loss_g.item()


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_script_computes_the_gradient_that_autograd_does(recipe: str) -> None:
    weights = network.begin(5).weights * 1.5
    r1, num = RECIPES[recipe].r1, 64
    found = run_script(
        f"const weights = Float32Array.from({weights.tolist()});"
        f"const unit = computeUnit(weights, {SEED}, {num}, {r1});"
        "console.log(JSON.stringify({ ...unit, gradient: [...unit.gradient] }));"
    )
    expected, loss_d, loss_g = by_torch(weights, SEED, num, r1)
    gradient = torch.tensor(found["gradient"], dtype=torch.float64)
    assert gradient.shape == (NUM_WEIGHTS,)
    for half in (slice(None, NUM_G), slice(NUM_G, None)):
        difference = (gradient[half] - expected[half]).norm() / expected[half].norm()
        assert difference < 1e-6
    assert (found["lossD"], found["lossG"]) == pytest.approx((loss_d, loss_g), rel=1e-6)


def test_the_same_unit_gives_the_same_gradient_and_another_seed_another_one() -> None:
    same, other = run_script(
        f"const weights = Float32Array.from({network.begin(1).weights.tolist()});"
        "const of = (seed) => computeUnit(weights, seed, 16, 0.1).gradient.join();"
        "console.log(JSON.stringify([of(9) === of(9), of(9) === of(10)]));"
    )
    assert (same, other) == (True, False)


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_step_is_a_step_of_adam_along_the_mean(recipe: str) -> None:
    """Algorithm 1 of the paper, in float64 (torch's own Adam takes a second to import)."""
    settings, random = RECIPES[recipe], np.random.RandomState(3)
    state = network.begin(2)
    weights = torch.tensor(state.weights, dtype=torch.float64)
    m, v = torch.zeros_like(weights), torch.zeros_like(weights)
    rates = torch.tensor([settings.lr_g] * NUM_G + [settings.lr_d] * (NUM_WEIGHTS - NUM_G))
    for t in (1, 2, 3):
        gradients = [random.normal(size=NUM_WEIGHTS).astype("<f4") for _ in range(3)]
        g = torch.tensor(np.mean(gradients, axis=0, dtype=np.float64))
        m.mul_(settings.beta1).add_((1 - settings.beta1) * g)
        v.mul_(0.99).add_(0.01 * g.square())
        weights -= rates * (m / (1 - settings.beta1**t)) / ((v / (1 - 0.99**t)).sqrt() + 1e-8)
        state = network.step(state, gradients, t - 1, settings)
        state = State.from_bytes(state.weights.tobytes(), state.moments.tobytes())
    np.testing.assert_allclose(state.weights, weights.numpy(), rtol=1e-4, atol=1e-6)


def test_a_version_depends_on_nothing_but_the_one_before_and_the_accepted_gradients() -> None:
    gradients = [np.full(NUM_WEIGHTS, one, "<f4") for one in (0.1, 0.3)]
    one, same = (network.step(network.begin(4), gradients, 0, RECIPES["plain"]).digest() for _ in range(2))
    assert one == same != network.begin(4).digest()


def test_no_phone_pulls_with_more_than_three_times_the_median_norm() -> None:
    random = np.random.RandomState(0)
    gradients = [random.normal(size=NUM_WEIGHTS).astype("<f4") for _ in range(5)]
    np.testing.assert_array_equal(network.limited(gradients), np.stack(gradients))
    gradients[2] = gradients[2] * 1000
    rows = network.limited(gradients)
    for half in (slice(None, NUM_G), slice(NUM_G, None)):
        norms = np.linalg.norm(rows[:, half], axis=1)
        assert norms[2] == pytest.approx(network.PULL * np.median(np.linalg.norm(np.stack(gradients)[:, half], axis=1)))
    assert not network.limited([np.zeros(NUM_WEIGHTS, "<f4")]).any()


def test_an_arrow_begins_at_the_phones_point_and_follows_its_gradient() -> None:
    weights = network.begin(6).weights
    generator, _ = networks(weights)
    noise = torch.tensor(np.random.RandomState(17).normal(size=(1, 2)))
    point = generator(noise)
    # This gradient moves the point's x, so the arrow, against the gradient, goes to smaller x.
    of_x = torch.autograd.grad(point[0, 0], list(generator.parameters()))
    gradient = np.concatenate([parameters_to_vector(of_x).numpy(), np.zeros(NUM_WEIGHTS - NUM_G)]).astype("<f4")
    x, y, to_x, _ = network.arrow(weights, gradient, 17)
    assert (x, y) == pytest.approx(point[0].tolist(), abs=1e-3)
    assert to_x < x
    assert network.arrow(weights, np.zeros(NUM_WEIGHTS, "<f4"), 17) == [x, y, x, y]
