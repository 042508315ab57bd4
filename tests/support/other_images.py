"""The tasks' app, in a worker that has other images than the run."""

from __future__ import annotations

from dataclasses import replace

from tasks import app, run_cache

__all__ = ["app"]

open_images = run_cache.open_images
run_cache.open_images = lambda data, size, **more: open_images(replace(data, seed=99), size, **more)
