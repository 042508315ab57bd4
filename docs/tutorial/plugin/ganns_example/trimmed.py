"""An aggregation rule: leave out the lowest and the highest value, and take the mean of the others."""

import torch

from ganns.training.aggregation import Rule, Tensors


class Trimmed(Rule):
    """The trimmed mean of each element (Yin et al., arXiv 1803.01498)."""

    def __init__(self, config):
        """Start with an empty list."""
        super().__init__(config)
        self.all: list[Tensors] = []

    def add(self, gradients, num_images):
        """Store one unit's gradients; `combine` needs all of them to find the lowest and the highest."""
        self.all.append(gradients)

    def combine(self):
        """Return the mean without the lowest and the highest value, if there are three units or more."""
        cut = 1 if len(self.all) >= 3 else 0
        update = {}
        for name in self.all[0]:
            values = torch.stack([gradients[name] for gradients in self.all])  # [units, ...]
            kept = values.sort(dim=0).values[cut : len(values) - cut]
            update[name] = kept.mean(dim=0)
        return update
