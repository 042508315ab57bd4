"""Record BatchNorm's statistics as sums, which can be added over all workers of a round without an error.

What draws images measures them anew, with the weights that it draws with (`measure_statistics`).

Shapes: N images of a batch, C channels of a layer.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ganns.config import ModelConfig
from ganns.training.seeds import generator as seeded

Tensors = dict[str, torch.Tensor]


def batchnorm_layers(network: nn.Module) -> dict[str, _BatchNorm]:
    """Return the BatchNorm layers by name, from the first to the last."""
    return {name: layer for name, layer in network.named_modules() if isinstance(layer, _BatchNorm)}


class SumRecorder:
    """Collects the statistics of every BatchNorm layer of a network, forward pass by forward pass.

    With momentum 1 a layer's running buffers hold exactly the last batch's mean and (unbiased) variance, which
    PyTorch computes anyway. To read them costs nothing; to sum each layer's input again would cost time.
    """

    def __init__(self, network: nn.Module) -> None:
        """Record every BatchNorm layer of `network`."""
        self._seen: dict[str, list[tuple[torch.Tensor, torch.Tensor, int]]] = {}
        for name, layer in batchnorm_layers(network).items():
            layer.momentum = 1.0
            layer.register_forward_hook(self._hook(name))

    def _hook(self, name: str) -> Callable[..., None]:
        def record(layer: _BatchNorm, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
            assert layer.running_mean is not None
            assert layer.running_var is not None
            count = inputs[0].numel() // layer.num_features  # N * height * width, or N
            # They stay on the device until `take`: else a GPU would wait in every layer.
            self._seen.setdefault(name, []).append((layer.running_mean.clone(), layer.running_var.clone(), count))

        return record

    def take(self) -> Tensors:
        """Return the sums since the last call, float64 [2C + 1] for each layer, and begin again."""
        seen, self._seen = self._seen, {}
        return {name: functools.reduce(torch.add, (_sums(*one) for one in some)) for name, some in seen.items()}

    def forget(self) -> None:
        """Drop the recorded statistics and begin again."""
        self._seen = {}


NUM_DRAWN, BATCH = 512, 64


@torch.no_grad()
def measure_statistics(generator: nn.Module, model: ModelConfig) -> None:
    """Set BatchNorm's statistics of a generator to those of images that it draws with its present weights.

    A conditional generator keeps those of the training, in which each attribute is as frequent as in the images.

    Sums that workers send are of weights on their way, and of the generator itself. Its average has other weights, for
    which they are wrong: contrast and colours differ a little. These are "standing statistics", as in BigGAN (Brock et
    al. 2019, arXiv 1809.11096). The noise is always the same, so they are a function of the weights.

    Args:
        generator: on the CPU; a network without BatchNorm stays as it is. It is left in eval mode.
        model: the configuration that it was made with.
    """
    generator.eval()
    layers = batchnorm_layers(generator).values()
    if model.conditional or not layers:
        return
    before = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # the mean over all batches
        layer.train()
    for start in range(0, NUM_DRAWN, BATCH):
        generator(torch.randn(BATCH, model.latent_dim, generator=seeded(0, "statistics", start)))
    for layer, momentum in zip(layers, before, strict=True):
        layer.momentum = momentum
        assert layer.num_batches_tracked is not None
        layer.num_batches_tracked.zero_()  # nothing reads it
    generator.eval()


def _sums(mean: torch.Tensor, variance: torch.Tensor, count: int) -> torch.Tensor:
    """Return sum, sum of squares and count, float64 [2C + 1], from a batch's mean and unbiased variance, both [C]."""
    mean, variance = mean.cpu().double(), variance.cpu().double()  # on the CPU: Apple's GPUs have no float64
    square = variance * (count - 1) + count * mean.square()
    return torch.cat([count * mean, square, torch.tensor([count], dtype=torch.float64)])
