"""The tasks' app, in a worker that cannot compute units 1 and 2 of round 0, as no worker can: 2 has a broken image."""

from __future__ import annotations

from ganns.errors import DataError
from ganns.store.worker_api import Claim
from tasks import app, run_cache

__all__ = ["app"]

load_images = run_cache.CachedRun.load_images


def load_or_raise(self: run_cache.CachedRun, unit: Claim):
    if (unit.round, unit.unit) == (0, 1):
        raise ValueError("no image can be like this")
    if (unit.round, unit.unit) == (0, 2):
        raise DataError("Image 3 is damaged wherever it is")  # one of our own errors, and not the worker's
    return load_images(self, unit)


run_cache.CachedRun.load_images = load_or_raise
