"""The optimizers: Adam for the networks, and the outer optimizer of `local_steps`."""

from __future__ import annotations

import torch

from ganns.config import LocalStepsStrategy, OptimizerConfig


def adam(network: torch.nn.Module, config: OptimizerConfig, lr: float) -> torch.optim.Adam:
    """Return Adam (Kingma & Ba, arXiv 1412.6980) with the DCGAN paper's settings as defaults."""
    fused = next(network.parameters()).device.type in ("cpu", "cuda")  # one pass through memory
    return torch.optim.Adam(
        network.parameters(), lr=lr, betas=(config.beta1, config.beta2), eps=config.eps, fused=fused
    )


def outer(network: torch.nn.Module, config: LocalStepsStrategy) -> torch.optim.SGD:
    """Return the outer optimizer of `local_steps`, for which the mean of "before minus after" is the gradient.

    With rate 1 and no momentum the new weights are the mean of the workers'. With momentum it is DiLoCo's: Nesterov's
    (Douillard et al., arXiv 2311.08105, section 2).
    """
    momentum = config.outer_momentum
    return torch.optim.SGD(network.parameters(), lr=config.outer_lr, momentum=momentum, nesterov=momentum > 0)
