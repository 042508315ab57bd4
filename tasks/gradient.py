"""The gradient task: the steps that a worker takes for one unit.

`tasks.run_cache` has the state that is kept between units, `ganns.training.gradient` the mathematics.
"""

from __future__ import annotations

import time

from procrastinate.exceptions import JobAborted

from ganns.errors import WeightsMissing
from ganns.queue.decorator import task
from ganns.queue.events import report
from ganns.queue.machine import figures
from ganns.queue.runner import Context
from ganns.store.rounds import QUEUE, TASK
from ganns.training.round_settings import in_round
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
    upload = cache.upload(cached, (self.job_id, self.attempt, self.worker_id), seed_parts)
    cached.computer.config = in_round(cached.config, claim.settings, claim.round)
    try:
        result = cached.computer.compute(images, seed_parts, upload.add, self.should_abort, labels)
        if result is None:
            raise self.aborted()  # the round closed without this unit; or Ctrl-C, and another worker computes it
    except BaseException:
        upload.give_up()
        raise
    computed = time.monotonic()
    timings = {"fetch": fetched - begun, "load": loaded - fetched, "compute": computed - loaded}
    cache.note_computed(run, len(images), timings["compute"])
    waited_s = cache.finish(upload, result.metrics, timings, self.only_waits)
    report(
        {
            "event": "unit",
            "run": run,
            "round": claim.round,
            "unit": claim.unit,
            "images": len(images),
            "compute_s": timings["compute"],
            "waited_s": loaded - begun + waited_s,
            **figures(),
        }
    )
