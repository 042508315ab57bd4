"""The gradient task: what a worker does with one unit, as a recipe.

The steps are in `ganns.workbench` (what is kept between units) and `ganns.gradients` (the mathematics).
"""

from __future__ import annotations

import time
from concurrent.futures import Future

import psycopg

from ganns.errors import GannsError, WeightsMissing
from ganns.gradients import Part
from ganns.store.rounds import QUEUE, TASK
from ganns.workbench import get_workbench
from tasks.definition import task
from tasks.reporting import report
from tasks.runner import Context

NOT_THE_UNITS = (GannsError, psycopg.Error, OSError, MemoryError)
"""Errors that say something of this worker or of the way to the server, as all of our own do: other images, an old
program, weights that are not there yet. Another worker may well do the unit. Any other error, three times, means that
nobody can: the unit is set aside, with the traceback, and the round goes on."""


@task(name=TASK, queue=QUEUE, bind=True, ignore_result=True, autoretry_for=(Exception,), max_retries=2)
def gradient(self: Context, run: int, round: int, unit: int) -> None:
    """Compute one unit of a round and submit its result."""
    try:
        _compute(self, run)
    except NOT_THE_UNITS as error:
        self.hand_back(error)


def _compute(self: Context, run: int) -> None:
    workbench = get_workbench()
    claim = workbench.claim(self.job_id, self.attempt, self.worker_id)
    if claim is None:
        return  # closed, done, or somebody else's by now: finish quietly
    begun = time.monotonic()
    bench = workbench.bench(run)
    try:
        with workbench.connection() as conn:
            bench.load_version(conn, claim.weights_version)
    except WeightsMissing:
        if workbench.claim(self.job_id, self.attempt, self.worker_id) is None:
            return  # the round closed after we claimed the unit, and its weights were deleted
        raise  # a crash of the server emptied the table: the coordinator uploads them again
    fetched = time.monotonic()
    images = bench.load_images(claim)
    loaded = time.monotonic()

    uploads: list[Future[None]] = []  # the first half travels while the second is computed

    def on_part(role: str, part: Part) -> None:
        uploads.append(workbench.upload(bench, self.job_id, self.attempt, role, part))

    seed_parts = (bench.config.seed, claim.round, claim.unit)
    result = bench.replica.compute(images, seed_parts, on_part, self.should_abort)
    if result is None:
        raise self.aborted()  # the round closed without this unit; or Ctrl-C, and somebody else does it
    computed = time.monotonic()
    for upload in uploads:
        upload.result()
    timings = {
        "fetch": fetched - begun,
        "load": loaded - fetched,
        "compute": computed - loaded,
        "upload": time.monotonic() - computed,
    }
    workbench.submit((self.job_id, self.attempt, self.worker_id), result.metrics, timings)
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
