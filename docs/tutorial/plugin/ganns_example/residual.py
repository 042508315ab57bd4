"""Networks: residual blocks in place of DCGAN's plain layers, without BatchNorm (He et al., arXiv 1512.03385)."""

from dataclasses import dataclass

import torch
from torch import nn

from ganns.config import number
from ganns.training.networks import Networks


class Block(nn.Module):
    """Adds what two convolutions compute to their input: features [N, C, H, W] -> [N, C, H, W]."""

    def __init__(self, channels):
        """Build for this number of channels."""
        super().__init__()
        self.layers = nn.Sequential(
            nn.GroupNorm(1, channels),  # over each image alone: no statistics of other images
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, features):
        """Return the features and what was computed from them."""
        return features + self.layers(features)


class Generator(nn.Module):
    """Draws images from noise: [N, Z] -> [N, 3, S, S]."""

    def __init__(self, config, blocks):
        """Begin at 4x4, and double the side until it is `config.image_size`."""
        super().__init__()
        width, side = 4 * config.features_g, 4
        self.first = nn.Linear(config.latent_dim, width * side * side)
        layers = []
        while side < config.image_size:
            layers += [Block(width) for _ in range(blocks)]
            layers += [nn.Upsample(scale_factor=2), nn.Conv2d(width, max(config.features_g, width // 2), 3, padding=1)]
            width, side = max(config.features_g, width // 2), 2 * side
        self.layers = nn.Sequential(*layers, nn.ReLU(), nn.Conv2d(width, 3, 3, padding=1), nn.Tanh())

    def forward(self, latent):
        """Map noise to images in [-1, 1]."""
        return self.layers(self.first(latent).reshape(len(latent), -1, 4, 4))


class Discriminator(nn.Module):
    """Classifies images: [N, 3, S, S] -> logits [N]."""

    def __init__(self, config, blocks):
        """Halve the side until it is 4."""
        super().__init__()
        width, side, layers = config.features_d, config.image_size, []
        layers.append(nn.Conv2d(3, width, 3, padding=1))
        while side > 4:
            layers += [Block(width) for _ in range(blocks)]
            layers += [nn.LeakyReLU(0.2), nn.Conv2d(width, min(4 * config.features_d, 2 * width), 4, 2, 1)]
            width, side = min(4 * config.features_d, 2 * width), side // 2
        self.layers = nn.Sequential(*layers, nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(width * 16, 1))

    def forward(self, images):
        """Map images to logits; positive means "looks real"."""
        return torch.flatten(self.layers(images))


class Residual(Networks):
    """`model.name=residual model.options=blocks=2`: that many blocks at each size."""

    @dataclass
    class Options:
        """The keys of its own."""

        blocks: int = number(1, 1, 4)

    def generator(self):
        """Return a new generator."""
        return Generator(self.config, self.options.blocks)

    def discriminator(self):
        """Return a new discriminator."""
        return Discriminator(self.config, self.options.blocks)
