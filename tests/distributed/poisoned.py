"""The tasks' app, in a worker whose computation of unit 1 of round 0 raises: a unit that nobody can compute."""

from __future__ import annotations

from ganns import workbench
from ganns.store.workers import Claim
from tasks import app

__all__ = ["app"]

load_images = workbench.Bench.load_images


def load_or_raise(self: workbench.Bench, unit: Claim):
    if (unit.round, unit.unit) == (0, 1):
        raise ValueError("no image can be like this")
    return load_images(self, unit)


workbench.Bench.load_images = load_or_raise
