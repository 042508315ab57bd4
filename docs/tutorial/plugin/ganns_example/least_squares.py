"""A loss: squares in place of logarithms (LSGAN, Mao et al., arXiv 1611.04076)."""

from ganns.training.losses import Loss


class LeastSquares(Loss):
    """D says 1 for real and 0 for generated images; what is far from it costs most."""

    def real(self, logits):
        """D, for real images: logits [N] -> a scalar."""
        return (logits - 1).square().mean() / 2

    def fake(self, logits):
        """D, for generated images: logits [N] -> a scalar."""
        return logits.square().mean() / 2

    def generator(self, logits):
        """G, from what D says of its images: logits [N] -> a scalar."""
        return (logits - 1).square().mean() / 2
