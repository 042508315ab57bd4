"""DCGAN: generator and discriminator, for images of 32x32, 64x64 and 128x128 pixels.

Radford, Metz, Chintala: "Unsupervised Representation Learning with Deep Convolutional Generative Adversarial
Networks", arXiv 1511.06434. The generator doubles the image's side at each layer and the discriminator halves
it, so an image twice as large needs one layer more: that is the only difference between the sizes.

With `model.conditional` both networks get labels as well, 1 for an attribute that the image has and 0 for one that it
has not. The generator gets a linear function of them beside the noise (Mirza & Osindero, arXiv 1411.1784). The
discriminator adds a *projection* to its logit (Miyato & Koyama, arXiv 1802.05637): how well the labels fit the image.

Shapes: N images of a batch, Z latent_dim, S image_size, A attributes, C channels of D's last hidden layer.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.nn.functional import linear, normalize

from ganns.config import ModelConfig

LABEL_WIDTH = 32
"""Numbers that the generator gets beside the noise, computed from the labels."""


class Generator(nn.Module):
    """Draws images from noise: latent [N, Z] -> images [N, 3, S, S] in [-1, 1]; with labels [N, A], if conditional."""

    def __init__(self, config: ModelConfig) -> None:
        """Build for `config.image_size` with `config.features_g` channels in the last hidden layer."""
        super().__init__()
        widths = [config.features_g * 2**k for k in reversed(range(_num_doublings(config)))]  # 64: 512 256 128 64
        size = config.latent_dim
        if config.conditional:
            self.embedding = nn.Linear(len(config.labels), LABEL_WIDTH, bias=False)
            size += LABEL_WIDTH
        layers: list[nn.Module] = [nn.ConvTranspose2d(size, widths[0], 4, 1, 0, bias=False)]  # 4x4
        for width, narrower in pairwise(widths):
            layers += [nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
            layers += [nn.ConvTranspose2d(width, narrower, 4, 2, 1, bias=False)]
        layers += [nn.BatchNorm2d(widths[-1]), nn.ReLU(inplace=True)]
        layers += [nn.ConvTranspose2d(widths[-1], 3, 4, 2, 1, bias=False), nn.Tanh()]
        self.layers = nn.Sequential(*layers)

    def forward(self, latent: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        """Map latent [N, Z], and labels [N, A] in [0, 1] if conditional, to images [N, 3, S, S] in [-1, 1]."""
        if labels is not None:
            latent = torch.cat([latent, self.embedding(signed(labels))], dim=1)  # [N, Z + LABEL_WIDTH]
        images: torch.Tensor = self.layers(latent[:, :, None, None])
        return images


class Discriminator(nn.Module):
    """Classifies images: [N, 3, S, S] -> logits [N]; positive means "looks real" (and has these labels).

    Logits, not probabilities: `binary_cross_entropy_with_logits` is exact where a sigmoid has saturated.
    """

    def __init__(self, config: ModelConfig) -> None:
        """Build for `config.image_size` with `config.features_d` channels in the first layer."""
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
        if config.conditional:
            kind = SpectralLinear if config.spectral_norm else nn.Linear
            self.projection = kind(len(config.labels), widths[-1], bias=False)

    def forward(self, images: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        """Map images [N, 3, S, S], and labels [N, A] in [0, 1] if conditional, to logits [N]."""
        *hidden, last = self.layers
        features = images
        for layer in hidden:
            features = layer(features)  # in the end [N, C, 4, 4]
        logits: torch.Tensor = last(features).flatten()
        if labels is not None:
            summed = features.sum(dim=(2, 3))  # [N, C]
            logits = logits + (self.projection(signed(labels)) * summed).sum(dim=1)
        return logits


def signed(labels: torch.Tensor) -> torch.Tensor:
    """Return labels 0 and 1 as -1 and 1: so an attribute that is absent says as much as one that is there."""
    return 2 * labels - 1


def spectral_norm(matrix: torch.Tensor, steps: int = 10) -> torch.Tensor:
    """Return the largest singular value of a matrix [R, C], a scalar that is differentiable in the matrix.

    Miyato, Kataoka, Koyama, Yoshida: "Spectral Normalization for GANs", arXiv 1802.05957. There, each
    forward pass does one step of the power iteration and keeps its vector. Ours begins from a fixed vector each time:
    a unit's result must not depend on what its worker computed before, and the steps cost little time.
    """
    with torch.no_grad():
        left = torch.linspace(1.0, 2.0, len(matrix), device=matrix.device, dtype=matrix.dtype)
        for _ in range(steps):
            right = normalize(matrix.T @ left, dim=0)
            left = normalize(matrix @ right, dim=0)
    return left @ matrix @ right


class SpectralConv2d(nn.Conv2d):
    """A convolution whose weight matrix is divided by its largest singular value, which limits D's slope."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map [N, C, H, W] like the plain convolution, with the normalised weight."""
        sigma = spectral_norm(self.weight.flatten(1))  # of [out, in * height * width]
        features: torch.Tensor = self._conv_forward(images, self.weight / sigma, self.bias)
        return features


class SpectralLinear(nn.Linear):
    """The same for a linear function."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Map [N, A] like the plain linear function, with the normalised weight."""
        return linear(values, self.weight / spectral_norm(self.weight), self.bias)


def _num_doublings(config: ModelConfig) -> int:
    """Count the layers between 4x4 and the image: 3 for 32x32, 4 for 64x64, 5 for 128x128."""
    return config.image_size.bit_length() - 3


def initialise(network: nn.Module, rng: torch.Generator) -> None:
    """Set all learned tensors as in the paper, from `rng` alone.

    Convolutions from N(0, 0.02); BatchNorm's scale from N(1, 0.02), its shift 0. Of our own: the generator's function
    of the labels makes numbers of variance 1, like the noise beside them.
    """
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0.0, 0.02, generator=rng)
        elif isinstance(module, nn.Linear):
            std = module.in_features**-0.5 if name == "embedding" else 0.02
            nn.init.normal_(module.weight, 0.0, std, generator=rng)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02, generator=rng)
            nn.init.zeros_(module.bias)
