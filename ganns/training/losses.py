"""What the two networks minimise, on the discriminator's logits; each function is one line of its paper.

- `NonSaturating`: Goodfellow et al., arXiv 1406.2661. D classifies; G maximises log D(G(z)), whose gradient does not
  vanish when D is sure of itself. Label smoothing, one-sided: Salimans et al., arXiv 1606.03498.
- `Hinge`: Lim & Ye, arXiv 1705.02894; Miyato et al., arXiv 1802.05957. D has no gradient from images that it judges
  right by a margin of 1, so it cannot run away.
- `r1_penalty`: Mescheder, Geiger, Nowozin, arXiv 1801.04406. D is flat where the data are: it cannot oscillate there.

Shapes: N images, S their side. All losses are means over N.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch.nn.functional import binary_cross_entropy_with_logits as bce
from torch.nn.functional import relu

from ganns import plugins
from ganns.config import LossConfig, NonSaturatingLoss


class Loss(ABC):
    """A pair of losses. What must hold for each; `ganns plugin check NAME` tries it.

    - Logits are float32 [N], higher for "real"; what is returned is a scalar, float32, differentiable, and a **mean**
      over N: a unit cuts its images into micro-batches, and weighs them by their number.
    - It depends on the logits and on `config` alone: no state, no random numbers, no network or database. It runs
      in every worker, and the same unit must give the same result in each.
    """

    def __init__(self, config: LossConfig) -> None:
        """Keep `config`, which has the run's `loss.*`; `r1` and `augment` are applied outside.

        The loss of another package gets a `NonSaturatingLoss`, with its own `name`: it may use `label_smoothing`.
        """
        self.config = config

    @abstractmethod
    def real(self, logits: torch.Tensor) -> torch.Tensor:
        """D's loss for real images, from their logits [N]: a scalar."""

    @abstractmethod
    def fake(self, logits: torch.Tensor) -> torch.Tensor:
        """D's loss for generated images, from their logits [N]: a scalar."""

    @abstractmethod
    def generator(self, logits: torch.Tensor) -> torch.Tensor:
        """G's loss, from D's logits [N] of what G made: a scalar."""


class NonSaturating(Loss):
    """`loss=non_saturating`: cross-entropy."""

    config: NonSaturatingLoss

    def real(self, logits: torch.Tensor) -> torch.Tensor:
        """Real images should be called real."""
        return bce(logits, torch.full_like(logits, 1.0 - self.config.label_smoothing))

    def fake(self, logits: torch.Tensor) -> torch.Tensor:
        """Generated ones should not."""
        return bce(logits, torch.zeros_like(logits))

    def generator(self, logits: torch.Tensor) -> torch.Tensor:
        """G wants its images to be called real."""
        return bce(logits, torch.ones_like(logits))


class Hinge(Loss):
    """`loss=hinge`: D stops caring about what it judges right with a margin."""

    def real(self, logits: torch.Tensor) -> torch.Tensor:
        """Logits of real images should be above 1."""
        return relu(1.0 - logits).mean()

    def fake(self, logits: torch.Tensor) -> torch.Tensor:
        """Those of generated ones should be below -1."""
        return relu(1.0 + logits).mean()

    def generator(self, logits: torch.Tensor) -> torch.Tensor:
        """G wants high logits."""
        return -logits.mean()


LOSSES: dict[str, type[Loss]] = {"non_saturating": NonSaturating, "hinge": Hinge}


def build_loss(config: LossConfig) -> Loss:
    """Return the loss that `loss.name` names, a built-in one or a plug-in.

    Raises:
        PluginError: if there is none, or it is no `Loss`.
    """
    loss = LOSSES.get(config.name) or plugins.subclass("loss", config.name, Loss)
    return loss(config)


def r1_penalty(images: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """Half the mean squared norm of dD/dx at real images [N, 3, S, S] (which require a gradient): a scalar.

    The factor 1/2 is the paper's; `loss.r1` is its gamma. The result is differentiable: D learns from it.
    """
    (slope,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return 0.5 * slope.square().sum(dim=(1, 2, 3)).mean()
