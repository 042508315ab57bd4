"""Choose bfloat16 if it is faster on this machine, by a trial.

Autocast (PyTorch's automatic mixed precision) computes convolutions in bfloat16 and keeps sums and weights in float32.
On a recent NVIDIA GPU that is faster; on an old one, or on a CPU without such instructions, it can be many times
slower. So a run only *allows* it (`strategy.mixed_precision`), and each GPU tries both before its first unit.

A result in bfloat16 is a different one: about three digits instead of seven. Therefore the run must allow it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import torch

log = logging.getLogger(__name__)

REPEATS = 5
GAIN = 1.05
"""bfloat16 must be faster by this factor: a smaller gain is not worth the lost digits."""


def choose_autocast(device: torch.device, allowed: bool, compute: Callable[[bool], object]) -> bool:
    """Return whether to compute in bfloat16 on `device`.

    Args:
        device: where to compute. Only CUDA is tried: on CPUs the trial would cost more time than it could save.
        allowed: the run's `strategy.mixed_precision`.
        compute: does some typical work, with autocast (True) or without.
    """
    if not allowed or device.type != "cuda":
        return False
    full, mixed = (_best_time(lambda wanted=wanted: compute(wanted), device) for wanted in (False, True))  # type: ignore[misc]
    log.info("a step takes %.4f s in float32, %.4f s in bfloat16", full, mixed)
    return mixed * GAIN < full


def _best_time(compute: Callable[[], object], device: torch.device) -> float:
    """Return the shortest of a few durations in seconds, without the first call, which prepares the others."""
    times = []
    for _ in range(REPEATS + 1):
        begun = time.perf_counter()
        compute()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - begun)
    return min(times[1:])
