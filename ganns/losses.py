"""What the two networks minimise, on the discriminator's logits; each function is one line of its paper.

- `non_saturating`: Goodfellow et al., arXiv 1406.2661. D classifies; G maximises log D(G(z)), whose gradient does not
  vanish when D is sure of itself. Label smoothing, one-sided: Salimans et al., arXiv 1606.03498.
- `hinge`: Lim & Ye, arXiv 1705.02894; Miyato et al., arXiv 1802.05957. D has no gradient from images that it judges
  right by a margin of 1, so it cannot run away.
- `r1_penalty`: Mescheder, Geiger, Nowozin, arXiv 1801.04406. D is flat where the data are: it cannot oscillate there.

Shapes: N images, S their side. All losses are means over N.
"""

from __future__ import annotations

import torch
from torch.nn.functional import binary_cross_entropy_with_logits as bce
from torch.nn.functional import relu

from ganns.config import LossConfig


def real_loss(config: LossConfig, logits: torch.Tensor) -> torch.Tensor:
    """D's loss for real images, from their logits [N]: a scalar."""
    if config.name == "hinge":
        return relu(1.0 - logits).mean()
    return bce(logits, torch.full_like(logits, 1.0 - config.label_smoothing))


def fake_loss(config: LossConfig, logits: torch.Tensor) -> torch.Tensor:
    """D's loss for generated images, from their logits [N]: a scalar."""
    if config.name == "hinge":
        return relu(1.0 + logits).mean()
    return bce(logits, torch.zeros_like(logits))


def generator_loss(config: LossConfig, logits: torch.Tensor) -> torch.Tensor:
    """G's loss, from D's logits [N] of what G made: a scalar."""
    if config.name == "hinge":
        return -logits.mean()
    return bce(logits, torch.ones_like(logits))


def r1_penalty(images: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """Half the mean squared norm of dD/dx at real images [N, 3, S, S] (which require a gradient): a scalar.

    The factor 1/2 is the paper's; `loss.r1` is its gamma. The result is differentiable: D learns from it.
    """
    (slope,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return 0.5 * slope.square().sum(dim=(1, 2, 3)).mean()
