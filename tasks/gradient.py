"""The gradient task: the steps that a worker takes for one unit.

`tasks.run_cache` has the state that is kept between units, `ganns.training.gradient` the mathematics.
"""

from __future__ import annotations

import time
from concurrent.futures import Future

import psycopg

from ganns.errors import GannsError, WeightsMissing
from ganns.queue.decorator import task
from ganns.queue.events import report
from ganns.queue.runner import Context
from ganns.store.rounds import QUEUE, TASK
from ganns.training.unit import Part
from tasks.run_cache import get_run_cache

NOT_THE_UNITS = (GannsError, psycopg.Error, OSError, MemoryError)
"""Errors whose cause is this worker or the connection, as with all errors of our own: other images, an old program,
weights that are not there yet. Another worker may compute the unit. After three errors of any other kind the unit is
set aside, with the traceback, and the round goes on."""


@task(name=TASK, queue=QUEUE, bind=True, ignore_result=True, autoretry_for=(Exception,), max_retries=2)
def gradient(self: Context, run: int, round: int, unit: int) -> None:
    """Compute one unit of a round and submit its result."""
    try:
        _compute(self, run)
    except NOT_THE_UNITS as error:
        self.hand_back(error)


def _compute(self: Context, run: int) -> None:
    cache = get_run_cache()
    claim = cache.claim(self.job_id, self.attempt, self.worker_id)
    if claim is None:
        return  # the round is closed, or another attempt has the unit: there is nothing to do
    begun = time.monotonic()
    cached = cache.get(run)
    try:
        with cache.connection() as conn:
            cached.load_version(conn, claim.weights_version)
    except WeightsMissing:
        if cache.claim(self.job_id, self.attempt, self.worker_id) is None:
            return  # the round closed after we claimed the unit, and its weights were deleted
        raise  # a crash of the server emptied the table: the coordinator uploads them again
    fetched = time.monotonic()
    images = cached.load_images(claim)
    loaded = time.monotonic()

    uploads: list[Future[None]] = []  # the first part is uploaded while the second is computed

    def on_part(role: str, part: Part) -> None:
        uploads.append(cache.upload(cached, self.job_id, self.attempt, role, part))

    seed_parts = (cached.config.seed, claim.round, claim.unit)
    result = cached.computer.compute(images, seed_parts, on_part, self.should_abort)
    if result is None:
        raise self.aborted()  # the round closed without this unit; or Ctrl-C, and another worker computes it
    computed = time.monotonic()
    for upload in uploads:
        upload.result()
    timings = {
        "fetch": fetched - begun,
        "load": loaded - fetched,
        "compute": computed - loaded,
        "upload": time.monotonic() - computed,
    }
    cache.submit((self.job_id, self.attempt, self.worker_id), result.metrics, timings)
    report(
        {
            "event": "unit",
            "run": run,
            "round": claim.round,
            "unit": claim.unit,
            "images": len(images),
            "timings": timings,
        }
    )
