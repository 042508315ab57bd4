"""Walks through the latent space: the images between two faces.

Shapes: K points on the way, N walkers (each draws one image of a frame), Z latent_dim.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from ganns.training.seeds import generator

NUM_POINTS, STEPS = 4, 15
"""Points of a walk, and frames from one to the next."""


def walk_points(seed: int, start: torch.Tensor, num: int = NUM_POINTS) -> torch.Tensor:
    """Return the points that a walk visits, float32 [K, N, Z]: `start` [N, Z], then others drawn from `seed`."""
    others = torch.randn(num - 1, *start.shape, generator=generator(seed, "walk"))
    return torch.cat([start[None], others])


def walk(points: torch.Tensor, steps: int = STEPS) -> Iterator[torch.Tensor]:
    """Yield K * steps latents [N, Z] from point [K, N, Z] to point, and from the last one back to the first."""
    for here, there in zip(points, points.roll(-1, dims=0), strict=True):
        for step in range(steps):
            yield slerp(here, there, step / steps)


def way(here: torch.Tensor, there: torch.Tensor, num: int) -> torch.Tensor:
    """Return the way from `here` to `there`, both [Z]: float32 [num, Z], num >= 2. Its ends are exactly these two."""
    between = [slerp(here[None], there[None], step / (num - 1)) for step in range(1, num - 1)]
    return torch.cat([here[None], *between, there[None]])


def slerp(a: torch.Tensor, b: torch.Tensor, share: float) -> torch.Tensor:
    """Go `share` of the way from `a` to `b`, both [N, Z], on an arc instead of a straight line.

    White, "Sampling Generative Networks", arXiv 1609.04468. In 100 dimensions nearly all noise has about the same
    length, 10. The middle of a straight line between two such points is much shorter: G did not see such
    points in training, and draws pale faces there. The arc keeps the length of noise.
    """
    cosine = torch.nn.functional.cosine_similarity(a, b, dim=1).clamp(-1, 1)
    angle = cosine.acos()[:, None]  # [N, 1]
    sine = angle.sin()
    arc = (((1 - share) * angle).sin() * a + (share * angle).sin() * b) / sine
    return torch.where(sine.abs() < 1e-6, torch.lerp(a, b, share), arc)  # the same or the opposite direction: no arc
