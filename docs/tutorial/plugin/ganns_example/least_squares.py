"""A loss: squares in place of logarithms (LSGAN, Mao et al., arXiv 1611.04076)."""

from ganns.training.losses import Loss


class LeastSquares(Loss):
    """D's targets are 1 for real and 0 for generated images; the cost grows with the squared distance."""

    def real(self, logits):
        """Return D's loss on real images: logits [N] -> a scalar."""
        return (logits - 1).square().mean() / 2

    def fake(self, logits):
        """Return D's loss on generated images: logits [N] -> a scalar."""
        return logits.square().mean() / 2

    def generator(self, logits):
        """Return G's loss, from D's logits of its images: logits [N] -> a scalar."""
        return (logits - 1).square().mean() / 2
