"""DCGAN: generator and discriminator, for 64x64 and 32x32 images.

Radford, Metz, Chintala: "Unsupervised Representation Learning with Deep Convolutional Generative Adversarial
Networks", arXiv 1511.06434. The generator doubles the image's side at each layer and the discriminator halves
it, so an image twice as large needs one layer more: that is the only difference between the two sizes.

Shapes: N images of a batch, Z latent_dim, S image_size.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.nn.functional import normalize

from ganns.config import ModelConfig
from ganns.training.seeds import generator as seeded


class Generator(nn.Module):
    """Draws images from noise: latent [N, Z] -> images [N, 3, S, S] in [-1, 1]."""

    def __init__(self, config: ModelConfig) -> None:
        """Build for `config.image_size` 32 or 64 with `config.features_g` channels in the last hidden layer."""
        super().__init__()
        widths = [config.features_g * 2**k for k in reversed(range(_num_doublings(config)))]  # 64: 512 256 128 64
        layers: list[nn.Module] = [nn.ConvTranspose2d(config.latent_dim, widths[0], 4, 1, 0, bias=False)]  # 4x4
        for width, narrower in pairwise(widths):
            layers += [nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
            layers += [nn.ConvTranspose2d(width, narrower, 4, 2, 1, bias=False)]
        layers += [nn.BatchNorm2d(widths[-1]), nn.ReLU(inplace=True)]
        layers += [nn.ConvTranspose2d(widths[-1], 3, 4, 2, 1, bias=False), nn.Tanh()]
        self.layers = nn.Sequential(*layers)

    def forward(self, latent: torch.Tensor) -> torch.Tensor:
        """Map latent [N, Z] to images [N, 3, S, S] in [-1, 1]."""
        images: torch.Tensor = self.layers(latent[:, :, None, None])
        return images


class Discriminator(nn.Module):
    """Classifies images: [N, 3, S, S] -> logits [N]; positive means "looks real".

    Logits, not probabilities: `binary_cross_entropy_with_logits` is exact where a sigmoid has saturated.
    """

    def __init__(self, config: ModelConfig) -> None:
        """Build for `config.image_size` 32 or 64 with `config.features_d` channels in the first layer."""
        super().__init__()
        widths = [config.features_d * 2**k for k in range(_num_doublings(config))]  # 64: 64 128 256 512
        conv = SpectralConv2d if config.spectral_norm else nn.Conv2d
        layers: list[nn.Module] = [conv(3, widths[0], 4, 2, 1, bias=False), nn.LeakyReLU(0.2, inplace=True)]
        for width, wider in pairwise(widths):
            layers += [conv(width, wider, 4, 2, 1, bias=False)]
            if not config.spectral_norm:  # it replaces BatchNorm, as in its paper
                layers += [nn.BatchNorm2d(wider)]
            layers += [nn.LeakyReLU(0.2, inplace=True)]
        layers += [conv(widths[-1], 1, 4, 1, 0, bias=False)]  # 4x4 -> 1x1
        self.layers = nn.Sequential(*layers)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map images [N, 3, S, S] to logits [N]."""
        logits: torch.Tensor = self.layers(images)
        return logits.flatten()


class SpectralConv2d(nn.Conv2d):
    """A convolution whose weight matrix is divided by its largest singular value, which limits D's slope.

    Miyato, Kataoka, Koyama, Yoshida: "Spectral Normalization for GANs", arXiv 1802.05957. There, each
    forward pass does one step of the power iteration and keeps its vector. Ours begins from a fixed vector each time:
    a unit's result must not depend on what its worker computed before, and the steps cost little time.
    """

    STEPS = 10

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map [N, C, H, W] like the plain convolution, with the normalised weight."""
        matrix = self.weight.flatten(1)  # [out, in * height * width]
        with torch.no_grad():
            left = torch.linspace(1.0, 2.0, len(matrix), device=matrix.device, dtype=matrix.dtype)
            for _ in range(self.STEPS):
                right = normalize(matrix.T @ left, dim=0)
                left = normalize(matrix @ right, dim=0)
        sigma = left @ matrix @ right  # differentiable in the weight
        features: torch.Tensor = self._conv_forward(images, self.weight / sigma, self.bias)
        return features


def _num_doublings(config: ModelConfig) -> int:
    """Count the layers between 4x4 and the image: 3 for 32x32, 4 for 64x64."""
    return config.image_size.bit_length() - 3


def build(config: ModelConfig, seed: int) -> tuple[Generator, Discriminator]:
    """Return both networks with the paper's initialisation, drawn from `seed` alone.

    Convolutions from N(0, 0.02); BatchNorm's scale from N(1, 0.02), its shift 0.
    """
    networks = Generator(config), Discriminator(config)
    for role, network in zip(("generator", "discriminator"), networks, strict=True):
        rng = seeded(seed, "init", role)
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.normal_(module.weight, 0.0, 0.02, generator=rng)
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.weight, 1.0, 0.02, generator=rng)
                nn.init.zeros_(module.bias)
    return networks


def parameters_of(network: nn.Module) -> dict[str, torch.Tensor]:
    """Return the learned tensors by name, detached (they share memory with the network)."""
    return {name: parameter.detach() for name, parameter in network.named_parameters()}


def statistics_of(network: nn.Module) -> dict[str, torch.Tensor]:
    """Return BatchNorm's running means and variances by name (they share memory with the network)."""
    return {name: buffer for name, buffer in network.named_buffers() if not name.endswith("num_batches_tracked")}


@torch.no_grad()
def sample(network: Generator, latent: torch.Tensor) -> torch.Tensor:
    """Draw images [N, 3, S, S] in [-1, 1] from latent [N, Z], in eval mode: from the running statistics."""
    was_training = network.training
    network.eval()
    images = torch.cat([network(part) for part in torch.split(latent, 64)])
    network.train(was_training)
    return images.contiguous()
