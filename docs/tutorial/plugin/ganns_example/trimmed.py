"""An aggregation rule: leave out the lowest and the highest, and take the mean of the others."""

import torch

from ganns.training.aggregation import Rule, Tensors


class Trimmed(Rule):
    """The trimmed mean, number by number (Yin et al., arXiv 1803.01498)."""

    def __init__(self, config):
        """Begin with nothing."""
        super().__init__(config)
        self.all: list[Tensors] = []

    def add(self, gradients, num_images):
        """Keep one unit's gradients: which ones to leave out is only known when all are there."""
        self.all.append(gradients)

    def combine(self):
        """Leave out one at each end, if there are three units or more."""
        cut = 1 if len(self.all) >= 3 else 0
        update = {}
        for name in self.all[0]:
            values = torch.stack([gradients[name] for gradients in self.all])  # [units, ...]
            kept = values.sort(dim=0).values[cut : len(values) - cut]
            update[name] = kept.mean(dim=0)
        return update
