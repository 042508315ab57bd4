"""The strategies by name."""

from __future__ import annotations

import torch

from ganns.config import Config
from ganns.training.gradient import GradientUnit
from ganns.training.local_steps import LocalStepsUnit

STRATEGIES: dict[str, type[GradientUnit] | type[LocalStepsUnit]] = {
    "gradient": GradientUnit,
    "local_steps": LocalStepsUnit,
    "auto": LocalStepsUnit,  # of `ganns solo`, which knows no workers: a run is stored with `local_steps`
}


def build_computer(config: Config, device: torch.device | str = "cpu") -> GradientUnit | LocalStepsUnit:
    """Return the object that computes the units of `config` on `device`."""
    return STRATEGIES[config.strategy.name](config, device)
