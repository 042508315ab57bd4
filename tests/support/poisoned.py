"""The tasks' app, in a worker whose computation of unit 1 of round 0 raises: a unit that no worker can compute."""

from __future__ import annotations

from ganns.store.worker_api import Claim
from tasks import app, run_cache

__all__ = ["app"]

load_images = run_cache.CachedRun.load_images


def load_or_raise(self: run_cache.CachedRun, unit: Claim):
    if (unit.round, unit.unit) == (0, 1):
        raise ValueError("no image can be like this")
    return load_images(self, unit)


run_cache.CachedRun.load_images = load_or_raise
