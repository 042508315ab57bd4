"""From a strategy's name to the code that computes its units."""

from __future__ import annotations

import torch

from ganns.config import Config
from ganns.gradients import Replica
from ganns.local_steps import LocalSteps

STRATEGIES: dict[str, type[Replica] | type[LocalSteps]] = {"gradient": Replica, "local_steps": LocalSteps}


def build_replica(config: Config, device: torch.device | str = "cpu") -> Replica | LocalSteps:
    """Return what computes the units of `config` on `device`."""
    return STRATEGIES[config.strategy.name](config, device)
