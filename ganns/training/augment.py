"""Differentiable augmentation: it keeps the discriminator from memorising a small data set.

Zhao, Liu, Lin, Zhu, Han: "Differentiable Augmentation for Data-Efficient GAN Training", arXiv 2006.10738. Real and
generated images are changed in the same way before D sees them, so G does not learn to draw changed images; and the
gradient flows back to G through the change.

The random numbers come from the unit's own generator: a unit gets the same augmentation on every worker.

Shapes: N images, S their side, all [N, 3, S, S].
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn.functional import pad


def augment(images: torch.Tensor, policy: str, rng: torch.Generator) -> torch.Tensor:
    """Change images [N, 3, S, S] by the named augmentations in turn ("color,translation,cutout"; "" does nothing)."""
    for name in filter(None, policy.split(",")):
        images = AUGMENTATIONS[name](images, rng)
    return images


def _color(images: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """Shift the brightness by up to 0.5, scale the saturation by 0 to 2 and the contrast by 0.5 to 1.5."""
    brightness, saturation, contrast = (_uniform(images, rng) for _ in range(3))  # [N, 1, 1, 1] in [0, 1)
    images = images + (brightness - 0.5)
    grey = images.mean(dim=1, keepdim=True)
    images = (images - grey) * (2 * saturation) + grey
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return (images - mean) * (contrast + 0.5) + mean


def _translation(images: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """Shift by up to an eighth of the side in each direction, and fill the gap with grey, which is 0."""
    num, _, side, _ = images.shape
    reach = side // 8
    padded = pad(images, (reach, reach, reach, reach))
    x, y = torch.randint(0, 2 * reach + 1, (2, num), generator=rng).tolist()
    moved = [padded[k, :, y[k] : y[k] + side, x[k] : x[k] + side] for k in range(num)]
    return torch.stack(moved).contiguous(memory_format=torch.channels_last)


def _cutout(images: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """Set a square of half the side to grey, at a random place, which may be partly outside."""
    num, _, side, _ = images.shape
    centre = torch.randint(0, side + 1, (2, num, 1), generator=rng)  # [2, N, 1]: where the square's middle is
    place = torch.arange(side)
    inside = (place >= centre - side // 4) & (place < centre + side // 4)  # [2, N, S]: rows, columns
    hole = inside[0][:, :, None] & inside[1][:, None, :]
    return images * (~hole)[:, None].to(images)


def _uniform(images: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    return torch.rand(len(images), 1, 1, 1, generator=rng).to(images)


AUGMENTATIONS: dict[str, Callable[[torch.Tensor, torch.Generator], torch.Tensor]] = {
    "color": _color,
    "translation": _translation,
    "cutout": _cutout,
}
