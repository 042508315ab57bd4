"""The faces of a version that the dashboard asks about: D's answers to them, and the way from one to another.

A face is one of the 64 of the run's grids of samples, by its place from 0. They always have the same noise and the same
labels, so a face can be drawn again by each version whose weights are kept.

Shapes: N images, Z latent_dim, A attributes, S image_size.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

import torch
from torch import nn

from ganns.config import Config
from ganns.pictures.latent_walk import way
from ganns.training.networks import sample
from ganns.training.seeds import sample_labels, sample_noise
from ganns.training.state import TrainingState

STEPS = 9
"""Faces of a walk, with both ends."""


@dataclass(frozen=True)
class Version:
    """The networks of one version, without the optimizers' moments, which are most of a state."""

    number: int
    config: Config
    generator: nn.Module  # the averaged one, which draws the grids
    discriminator: nn.Module

    @classmethod
    def of(cls, state: TrainingState) -> Version:
        """Return the networks of `state`, which is not used any more."""
        return cls(state.progress.version, state.config, state.generator(averaged=True), state.networks["d"])


def answers(version: Version) -> list[float | None]:
    """Return D's probability of "real" for each of the 64 faces; None where it is no number.

    D sees the 64 faces as one batch, in training mode, as it saw generated images in training: with the running
    statistics of BatchNorm, which are of real and generated images together, it answers otherwise (in a small run, at
    version 32, real images got 0.45 from them, and 0.92 in training mode, where batches as in training got 0.91).
    """
    faces, labels = _faces(version), sample_labels(version.config.model)
    network = copy.deepcopy(version.discriminator).train()  # a pass in this mode changes the running statistics
    with torch.no_grad():
        logits = network(faces) if labels is None else network(faces, labels)
    return [round(one, 4) if math.isfinite(one) else None for one in logits.sigmoid().tolist()]


def walk(version: Version, face: int, to: int) -> torch.Tensor:
    """Draw the way from one of the 64 faces to another: images [STEPS, 3, S, S] in [-1, 1].

    The noise goes along an arc (`slerp`), and the labels of a conditional model along a straight line.
    """
    latent, labels = sample_noise(version.config), sample_labels(version.config.model)
    if labels is not None:
        share = torch.linspace(0, 1, STEPS)[:, None]
        labels = torch.lerp(labels[face][None], labels[to][None], share)  # [STEPS, A]
    return sample(version.generator, way(latent[face], latent[to], STEPS), labels)


def _faces(version: Version) -> torch.Tensor:
    return sample(version.generator, sample_noise(version.config), sample_labels(version.config.model))
