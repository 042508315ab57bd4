"""The interface of an aggregation rule; `aggregation.py` says what every rule must hold."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch

from ganns.config import AggregateConfig

Tensors = dict[str, torch.Tensor]


class Rule(ABC):
    """Combines one network's results of one round; there is a new object for each network and round."""

    def __init__(self, config: AggregateConfig) -> None:
        """Begin without results; `config` has the run's `aggregate.*`."""
        self.config = config

    @abstractmethod
    def add(self, gradients: Tensors, num_images: int) -> None:
        """Add one unit's result; called in unit order.

        Args:
            gradients: by parameter name, float32, on the CPU: the mean gradient over the unit's images, or for
                `strategy=local_steps` the weights before minus the weights after. Finite, and with a norm of at most
                `aggregate.max_norm`. A rule may keep it, but not change it.
            num_images: number of the unit's images, at least 2; the last unit of an epoch may have fewer than others.
        """

    @abstractmethod
    def combine(self) -> Tensors:
        """Return the update by parameter name, float32; called once, after at least one `add`."""
