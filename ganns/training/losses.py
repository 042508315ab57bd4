"""The losses of both networks, as functions of the discriminator's logits; each is one line of its paper.

- `NonSaturating`: Goodfellow et al., arXiv 1406.2661. D classifies; G maximises log D(G(z)), whose gradient does not
  vanish when D is sure. Label smoothing, one-sided: Salimans et al., arXiv 1606.03498.
- `Hinge`: Lim & Ye, arXiv 1705.02894; Miyato et al., arXiv 1802.05957. D has no gradient from images that it classifies
  correctly by a margin of 1, which limits it.
- `r1_penalty`: Mescheder, Geiger, Nowozin, arXiv 1801.04406. D is flat at the real images, so it does not oscillate.

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
    """The losses of D and G. Requirements for each; `ganns plugin check NAME` tests them.

    - Logits are float32 [N], higher for "real". The loss is a scalar, float32, differentiable, and a **mean** over N: a
      unit cuts its images into micro-batches, and weights them by their number of images.
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
        """Return D's loss for real images, a scalar, from their logits [N]."""

    @abstractmethod
    def fake(self, logits: torch.Tensor) -> torch.Tensor:
        """Return D's loss for generated images, a scalar, from their logits [N]."""

    @abstractmethod
    def generator(self, logits: torch.Tensor) -> torch.Tensor:
        """Return G's loss, a scalar, from D's logits [N] of generated images."""


class NonSaturating(Loss):
    """`loss=non_saturating`: cross-entropy."""

    config: NonSaturatingLoss

    def real(self, logits: torch.Tensor) -> torch.Tensor:
        """Return the cross-entropy with the label "real", which `label_smoothing` lowers."""
        return bce(logits, torch.full_like(logits, 1.0 - self.config.label_smoothing))

    def fake(self, logits: torch.Tensor) -> torch.Tensor:
        """Return the cross-entropy with the label "generated"."""
        return bce(logits, torch.zeros_like(logits))

    def generator(self, logits: torch.Tensor) -> torch.Tensor:
        """Return the cross-entropy with the label "real": G wants D to be wrong."""
        return bce(logits, torch.ones_like(logits))


class Hinge(Loss):
    """`loss=hinge`: images that D classifies correctly by a margin of 1 do not count."""

    def real(self, logits: torch.Tensor) -> torch.Tensor:
        """Return a loss that is 0 for logits above 1."""
        return relu(1.0 - logits).mean()

    def fake(self, logits: torch.Tensor) -> torch.Tensor:
        """Return a loss that is 0 for logits below -1."""
        return relu(1.0 + logits).mean()

    def generator(self, logits: torch.Tensor) -> torch.Tensor:
        """Return a loss that is lower for higher logits."""
        return -logits.mean()


LOSSES: dict[str, type[Loss]] = {"non_saturating": NonSaturating, "hinge": Hinge}


def build_loss(config: LossConfig) -> Loss:
    """Return the loss called `loss.name`, a built-in one or a plug-in.

    Raises:
        PluginError: if there is no such loss, or it is not a `Loss`.
    """
    loss = LOSSES.get(config.name) or plugins.subclass("loss", config.name, Loss)
    return loss(config)


def r1_penalty(images: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """Return half the mean squared norm of dD/dx at real images [N, 3, S, S] (which require a gradient), a scalar.

    The factor 1/2 is the paper's; `loss.r1` is its gamma. The result is differentiable: D learns from it.
    """
    (slope,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return 0.5 * slope.square().sum(dim=(1, 2, 3)).mean()
