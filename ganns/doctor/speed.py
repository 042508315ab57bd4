"""Measure how fast this machine computes, and which preset of `link` keeps it computing."""

from __future__ import annotations

import time
from typing import NamedTuple

from ganns.utils.checks import Finding, ok, warning

STEPS, BATCH = 2, 16
LEAST_SHARE = 0.9
"""Of its time a worker should compute."""


class Preset(NamedTuple):
    """A value of `link`, with what a worker transfers for a unit at 64x64: docs/explain/compression.md."""

    name: str
    least_mbit: float  # up, from which it fits
    unit_images: int
    up_mb: float
    down_mb: float


PRESETS = (
    Preset("lan", 100.0, 1024, 25.4, 25.4),
    Preset("home", 5.0, 2048, 1.64, 3.39),
    Preset("slow", 0.0, 8192, 1.64, 3.39),
)


def images_per_s() -> float:
    """Compute some steps of DCGAN at 64x64 as a worker does, on one thread or the GPU; return the images per second."""
    import torch

    from ganns.config import Config, LocalStepsStrategy
    from ganns.training.device import choose_device
    from ganns.training.state import TrainingState
    from ganns.training.strategies import build_computer

    config = Config(strategy=LocalStepsStrategy(unit_images=STEPS * BATCH, micro_batch=BATCH))
    images = torch.zeros(STEPS * BATCH, 3, config.model.image_size, config.model.image_size)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        computer = build_computer(config, choose_device())
        computer.load(TrainingState(config).weights())
        computer.compute(images[:BATCH], (0, 0, 0))  # the first step takes longer
        begun = time.perf_counter()
        computer.compute(images, (0, 0, 0))
        return len(images) / (time.perf_counter() - begun)
    finally:
        torch.set_num_threads(threads)


def judge(up_mbit: float, down_mbit: float, speed: float) -> Finding:
    """Say which preset fits a link, and how much of its time this machine computes with it.

    Args:
        up_mbit: the link's speed to the server.
        down_mbit: from the server.
        speed: images per second.
    """
    preset = next(one for one in PRESETS if up_mbit >= one.least_mbit)
    fetch_s, send_s = 8 * preset.down_mb / down_mbit, 8 * preset.up_mb / up_mbit
    compute_s = preset.unit_images / speed
    share = compute_s / (fetch_s + compute_s + send_s)
    said = (
        f"{up_mbit:.3g} Mbit/s up, {down_mbit:.3g} down, {speed:.3g} images/s: a run with link={preset.name} fits. A "
        f"unit of 64x64 then takes {fetch_s:.2g} s to fetch the weights, {compute_s:.3g} s to compute "
        f"{preset.unit_images:,} images and {send_s:.2g} s to send the result: computing is {share:.0%} of it"
    )
    if preset.name == "slow":
        return warning("link", said, "tell your instructor: with another `link`, your machine would mostly transfer")
    if share < LEAST_SHARE:
        todo = "tell your instructor: larger units (strategy.unit_images), or link=auto, let your machine compute more"
        return warning("link", said, todo)
    return ok("link", said)
