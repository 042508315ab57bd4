"""Checks of a data set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from ganns.config import DataConfig, SyntheticData
from ganns.data import ImageSet
from ganns.utils.checks import Finding, run


def check_data(open_: Callable[[DataConfig, int], ImageSet], config: DataConfig) -> list[Finding]:
    """Try a data set with the settings of `config`, at 32x32 and 64x64."""
    small = open_(config, 32)

    def sample(images: ImageSet) -> torch.Tensor:
        return images.train(np.arange(min(images.num_train, 64)))

    def split() -> str | None:
        if small.num_train < 2:
            return f"{small.num_train} images to train on; it takes two"
        if small.num_holdout < 2:
            return f"{small.num_holdout} held-out images: runs could not be evaluated"
        small.holdout(small.num_holdout)
        return None

    def shapes() -> str | None:
        for size in (32, 64):
            found = sample(open_(config, size))
            if found.shape[1:] != (3, size, size) or found.dtype != torch.float32:
                return f"at {size} it gave {tuple(found.shape)} {found.dtype}, not [N, 3, {size}, {size}] float32"
        return None

    def values() -> str | None:
        found = sample(small)
        low, high = float(found.min()), float(found.max())
        if not (-1 <= low <= high <= 1):
            return f"values from {low:.3g} to {high:.3g}, not within [-1, 1]: pixels must be uint8, 0 to 255"
        if high - low < 0.1:
            return f"all values are between {low:.3g} and {high:.3g}: were they scaled to 0..1 before?"
        return None

    def distinct() -> str | None:
        found = sample(small)
        return "all images are the same one" if len(found) > 1 and bool((found == found[0]).all()) else None

    def again() -> str | None:
        return None if torch.equal(sample(small), sample(open_(config, 32))) else "opened twice it has other images"

    def single() -> str | None:
        several, one = small.train(np.array([1, 0])), small.train(np.array([0]))
        return None if torch.equal(several[1], one[0]) else "image 0 depends on the other images of the call"

    def prints() -> str | None:
        same = open_(config, 64)
        if not small.fingerprint or small.fingerprint != same.fingerprint:
            return f"{small.fingerprint!r} at 32x32 and {same.fingerprint!r} at 64x64: the size must not matter"
        if not isinstance(config, SyntheticData):  # a built-in data set without a seed; a plug-in has one
            return None
        other = open_(replace(config, seed=config.seed + 1), 32)
        if not torch.equal(sample(other), sample(small)) and other.fingerprint == small.fingerprint:
            return "another data.seed gives other images with the same fingerprint"
        return None

    return run(
        [
            ("there are images to train on, and held-out ones", split),
            ("images are float32 [N, 3, S, S], for S of 32 and of 64", shapes),
            ("values fill [-1, 1]", values),
            ("images differ", distinct),
            ("opened twice, it has the same images", again),
            ("an image does not depend on the others of the call", single),
            ("the fingerprint tells other images", prints),
        ]
    )
