"""A GAN in two dimensions that trains in seconds: its real points are eight clusters on a ring.

Everything is small enough to be seen: a point is two numbers, and a mode that the generator does not reach is an empty
place of the ring.

Shapes: N points, M modes.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn
from torch.nn.functional import softplus

from ganns.training.seeds import generator

Discriminator = Callable[[torch.Tensor], torch.Tensor]
Penalty = Callable[[Discriminator, torch.Tensor], torch.Tensor]

NUM_MODES, RING, SPREAD = 8, 2.0, 0.05
RADIUS, LEAST = 0.3, 0.02
"""The distance from a centre up to which a point is good; the share of points with which a mode counts as reached."""
NUM_STEPS, EVERY, BATCH, HIDDEN, LATENT = 1500, 50, 128, 64, 2
RATE_G, RATE_D = 3e-3, 1e-3
"""G is faster than D, and follows it to the one mode that D likes most: without a penalty it never reaches others."""


def centres() -> torch.Tensor:
    """Return the centres of the modes, float32 [M, 2]."""
    angles = torch.arange(NUM_MODES) * (2 * math.pi / NUM_MODES)
    return RING * torch.stack([angles.cos(), angles.sin()], dim=1)


def real_points(num: int, rng: torch.Generator) -> torch.Tensor:
    """Draw real points, float32 [N, 2]."""
    modes = torch.randint(NUM_MODES, (num,), generator=rng)
    return centres()[modes] + SPREAD * torch.randn(num, 2, generator=rng)


def train(penalty: Penalty | None, weight: float, seed: int = 0) -> list[torch.Tensor]:
    """Train, and return 512 samples [512, 2] after every `EVERY` steps, the first ones before the training.

    Args:
        penalty: a function of D and real points that is added to D's loss; None: none. Its errors are passed on.
        weight: its factor.
        seed: of everything random.
    """
    rng = generator("exercise", 8, "ring", seed)
    gen, disc = _network(LATENT, 2, rng), _network(2, 1, rng)

    def logits(points: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = disc(points)[:, 0]
        return found

    rates = {gen: RATE_G, disc: RATE_D}
    steps = {net: torch.optim.Adam(net.parameters(), lr=rate, betas=(0.5, 0.999)) for net, rate in rates.items()}
    shown = torch.randn(512, LATENT, generator=rng)
    versions = []
    for number in range(NUM_STEPS + 1):
        if number % EVERY == 0:
            with torch.no_grad():
                versions.append(gen(shown))
        real, fake = real_points(BATCH, rng), gen(torch.randn(BATCH, LATENT, generator=rng))
        d_loss = softplus(-logits(real)).mean() + softplus(logits(fake.detach())).mean()
        if penalty is not None:
            d_loss = d_loss + weight * penalty(logits, real)
        _step(steps[disc], disc, d_loss)
        _step(steps[gen], gen, softplus(-logits(fake)).mean())
    return versions


def _network(inputs: int, outputs: int, rng: torch.Generator) -> nn.Sequential:
    layers = [nn.Linear(inputs, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, outputs)]
    for layer in layers:
        if isinstance(layer, nn.Linear):  # PyTorch's own initialisation has no generator
            bound = 1 / math.sqrt(layer.in_features)
            nn.init.uniform_(layer.weight, -bound, bound, generator=rng)
            nn.init.uniform_(layer.bias, -bound, bound, generator=rng)
    return nn.Sequential(*layers)


def _step(optimizer: torch.optim.Optimizer, network: nn.Module, loss: torch.Tensor) -> None:
    """Do one step of a network on its own loss; the other one gets no gradients."""
    parameters = list(network.parameters())
    for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
        parameter.grad = gradient
    optimizer.step()


def num_reached(points: torch.Tensor) -> tuple[int, float]:
    """Return how many modes have at least the share `LEAST` of the points, and the share of points near any mode."""
    near = torch.cdist(points, centres()) <= RADIUS
    return int((near.float().mean(0) >= LEAST).sum()), float(near.any(1).float().mean())
