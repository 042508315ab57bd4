"""Precision and recall of features: are the images like real ones, and are all kinds of real images among them?

Kynkäänniemi, Karras, Laine, Lehtinen, Aila: "Improved Precision and Recall Metric for Assessing Generative Models",
arXiv 1904.06991. A set of points stands for a region: a ball around each point, which reaches to the point's k-th
nearest neighbour in the same set. Precision is the share of generated images in the real images' region; recall is the
share of real images in the generated images' region. A distance such as FID is one number for both failures. A
generator that draws one good face has a high precision, and a recall near 0: collapse shows there first.

Shapes: N generated images, N' real images, F features.
"""

from __future__ import annotations

import torch

NEIGHBOUR = 3
"""k, as in the paper."""
CHUNK = 1000  # points whose distances to all others are in memory at once


def precision_and_recall(fake: torch.Tensor, real: torch.Tensor) -> tuple[float, float]:
    """Return (precision, recall), both in [0, 1], of features [N, F] and [N', F]; both sets have more than k points."""
    fake, real = fake.double(), real.double()
    return _share_inside(fake, real, _radii(real)), _share_inside(real, fake, _radii(fake))


def _radii(points: torch.Tensor) -> torch.Tensor:
    """Return the distance [N] of each point [N, F] to its k-th nearest neighbour; it is its own 0-th."""
    found = [torch.cdist(some, points).kthvalue(NEIGHBOUR + 1).values for some in torch.split(points, CHUNK)]
    return torch.cat(found)


def _share_inside(points: torch.Tensor, centres: torch.Tensor, radii: torch.Tensor) -> float:
    """Return the share of points [N, F] in at least one ball around centres [M, F] with radii [M]."""
    inside = [(torch.cdist(some, centres) <= radii).any(dim=1) for some in torch.split(points, CHUNK)]
    return float(torch.cat(inside).double().mean())
