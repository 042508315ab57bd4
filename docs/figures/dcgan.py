"""The shapes inside DCGAN at 64x64, read from the networks themselves."""

from __future__ import annotations

from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from docs.figures.drawing import GREEN, GREY, INK, ORANGE, canvas
from ganns.config import ModelConfig
from ganns.training.networks import build


def shapes(network: torch.nn.Module, start: torch.Tensor) -> list[tuple[int, ...]]:
    """Return the shape of the input, and the shape after each convolution, without the batch."""
    found = [tuple(start.shape[1:])]

    def note(layer: Any, inputs: Any, output: torch.Tensor) -> None:
        found.append(tuple(output.shape[1:]))

    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d | torch.nn.ConvTranspose2d):
            layer.register_forward_hook(note)
    with torch.no_grad():
        network(start)
    return found


def _row(axes: Axes, y: float, title: str, found: list[tuple[int, ...]], num: int, fill: str) -> None:
    """Draw each shape as a rectangle: its height is the image's, its width the number of channels."""
    axes.text(0.1, y + 0.95, f"{title}, {num:,} parameters", weight="bold")
    for number, shape in enumerate(found):
        channels, side = shape[0], shape[1] if len(shape) > 1 else 1
        width, height = max(0.08, channels / 512 * 0.9), max(0.08, side / 64 * 1.3)
        x = 0.65 + 1.3 * number - width / 2
        ends = number in (0, len(found) - 1)
        patch = Rectangle((x, y - height / 2), width, height, facecolor=GREY if ends else fill, edgecolor=INK)
        axes.add_patch(patch)
        words = f"{channels}×{side}×{side}"
        axes.text(x + width / 2, y - 0.85, words, ha="center", fontsize=8.5)
        if number:
            axes.annotate("", (x - 0.06, y), (x - 0.3, y), arrowprops={"arrowstyle": "-|>", "color": INK})


def figure() -> Figure:
    """Draw both networks."""
    config = ModelConfig()
    generator, discriminator = build(config, seed=0)
    drawn, axes = canvas(7.9, 4.6)
    images = torch.zeros(2, 3, config.image_size, config.image_size)
    for y, title, network, start, fill in (
        (3.3, "G: from noise to an image", generator, torch.zeros(2, config.latent_dim), GREEN),
        (1.0, "D: from an image to a number", discriminator, images, ORANGE),
    ):
        num = sum(one.numel() for one in network.parameters())
        _row(axes, y, title, shapes(network, start), num, fill)
    return drawn
