"""The gradient task: the steps that a worker takes for one unit.

`tasks.run_cache` has the state that is kept between units, `ganns.training.gradient` the mathematics.
"""

from __future__ import annotations

import time
from concurrent.futures import Future

from procrastinate.exceptions import JobAborted

from ganns.errors import WeightsMissing
from ganns.queue.decorator import task
from ganns.queue.events import report
from ganns.queue.runner import Context
from ganns.store.rounds import QUEUE, TASK
from ganns.training.per_class import in_round
from ganns.training.unit import Part
from tasks.run_cache import RunCache, get_run_cache, prepare_images


@task(name=TASK, queue=QUEUE, bind=True, ignore_result=True, prepare=prepare_images)
def gradient(self: Context, run: int, round: int, unit: int) -> None:
    """Compute one unit of a round and submit its result."""
    cache = get_run_cache()
    try:
        _compute(self, cache, run)
    except JobAborted:
        raise
    except Exception as error:  # see `tasks.blame`
        self.hand_back(cache.blame(self.job_id, self.attempt, self.worker_id, error))


def _compute(self: Context, cache: RunCache, run: int) -> None:
    claim = cache.claim(self.job_id, self.attempt, self.worker_id)
    if claim is None:
        return  # the round is closed, or another attempt has the unit: there is nothing to do
    begun = time.monotonic()
    cached = cache.get_or_refuse(run, self.job_id, self.worker_id)
    try:
        cached.load_version(cache.connection, claim.weights_version, cache.speed)
    except WeightsMissing:
        if cache.claim(self.job_id, self.attempt, self.worker_id) is None:
            return  # the round closed after we claimed the unit, and its weights were deleted
        raise  # a crash of the server emptied the table: the coordinator uploads them again
    fetched = time.monotonic()
    images, labels = cached.load_images(claim)
    loaded = time.monotonic()

    seed_parts = (cached.config.seed, claim.round, claim.unit)
    uploads: list[Future[None]] = []  # the first part is uploaded while the second is computed

    def on_part(role: str, part: Part) -> None:
        uploads.append(cache.upload(cached, self.job_id, self.attempt, seed_parts, role, part))

    cached.computer.config = in_round(cached.config, claim.settings)
    result = cached.computer.compute(images, seed_parts, on_part, self.should_abort, labels)
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
            **cache.speed.mbit(),
        }
    )
