"""Draw images of chosen attributes with a conditional generator, for `ganns sample` and the dashboard.

Shapes: N images, Z latent_dim, A attributes, S image_size.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import nn

from ganns.config import ModelConfig
from ganns.data.attributes import full_name, label, read_setting
from ganns.errors import ConfigError
from ganns.training.networks import sample
from ganns.training.seeds import GRID_COLUMNS, sample_labels

FRAMES = 24
"""Pictures of an animation from 0 to 1."""


def attributes_of(
    model: ModelConfig, chosen: str | None, slide: str | None, words: str
) -> tuple[dict[str, float] | None, int | None]:
    """Read `--set` and `--slide`: the values by attribute, and the position of the attribute that slides.

    Raises:
        ConfigError: if the model is not conditional, or has no such attribute.
    """
    if chosen is None and slide is None:
        return None, None
    if not model.conditional:
        raise ConfigError(
            f"{'--set' if chosen else '--slide'} chooses attributes, and {words} has none: it was trained without "
            "model.conditional=true."
        )
    values = read_setting(chosen, model.labels) if chosen else {}
    return values, None if slide is None else model.labels.index(full_name(slide, model.labels))


def labels_for(model: ModelConfig, count: int, values: Mapping[str, float] | None) -> torch.Tensor | None:
    """Return the labels of `count` images, float32 [count, A]: the chosen ones, or those of the run's grids.

    None for a model that is not conditional.
    """
    if values is None:
        return sample_labels(model, count)
    return torch.tensor([label(values, model.labels)]).expand(count, -1)


def slide_rows(
    generator: nn.Module, latent: torch.Tensor, labels: torch.Tensor | None, slid: int, steps: int = GRID_COLUMNS
) -> torch.Tensor:
    """Draw each latent vector [N, Z] while one attribute goes from 0 to 1: images [N * steps, 3, S, S]."""
    frames = [sample(generator, latent, one) for one in _slid(latent, labels, slid, steps)]
    return torch.stack(frames, dim=1).flatten(0, 1)


def slide_frames(
    generator: nn.Module, latent: torch.Tensor, labels: torch.Tensor | None, slid: int
) -> Iterator[torch.Tensor]:
    """Yield images [N, 3, S, S] while one attribute goes from 0 to 1 and back."""
    there = list(_slid(latent, labels, slid, FRAMES))
    for one in [*there, *reversed(there[1:-1])]:
        yield sample(generator, latent, one)


def _slid(latent: torch.Tensor, labels: torch.Tensor | None, slid: int, steps: int) -> Iterator[torch.Tensor]:
    assert labels is not None  # the model is conditional
    for value in torch.linspace(0, 1, steps):
        changed = labels.clone()
        changed[:, slid] = value
        yield changed
