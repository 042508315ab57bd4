"""The gradient task: what a worker does with one unit, as a recipe.

The steps are in `ganns.workbench` (what is kept between units) and `ganns.gradients` (the mathematics).
"""

from __future__ import annotations

import random
import time
from concurrent.futures import Future
from datetime import timedelta

from procrastinate import JobContext, RetryDecision
from procrastinate.exceptions import JobAborted
from procrastinate.jobs import Job
from procrastinate.retry import BaseRetryStrategy

from ganns.gradients import Part
from ganns.store.rounds import QUEUE, TASK
from ganns.workbench import get_workbench
from tasks import app
from tasks.reporting import report


class HandBack(BaseRetryStrategy):
    """Give a unit that failed here back to the class: soon, jittered, and for as long as its round is open."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision:
        """Retry at once after Ctrl-C; else within 5 s, by the server's clock, so that another worker gets it."""
        if isinstance(exception, JobAborted):
            return RetryDecision()
        delay_s = min(5.0, 2.0**job.attempts) * random.uniform(0.5, 1.0)
        return RetryDecision(retry_at=get_workbench().server_time() + timedelta(seconds=delay_s))


@app.task(name=TASK, queue=QUEUE, pass_context=True, retry=HandBack())
def gradient(context: JobContext, run: int, round: int, unit: int) -> None:
    """Compute one unit of a round and submit its result."""
    workbench, job = get_workbench(), context.job
    assert job.id is not None
    claim = workbench.claim(job.id, job.attempts, job.worker_id)
    if claim is None:
        return  # closed, done, or somebody else's by now: finish quietly
    begun = time.monotonic()
    bench = workbench.bench(run)
    with workbench.connection() as conn:
        bench.load_version(conn, claim.round)
    fetched = time.monotonic()
    images = bench.load_images(claim)
    loaded = time.monotonic()

    uploads: list[Future[None]] = []  # the first half travels while the second is computed

    def on_part(role: str, part: Part) -> None:
        uploads.append(workbench.upload(bench, job.id or 0, job.attempts, role, part))

    seed_parts = (bench.config.seed, claim.round, claim.unit)
    result = bench.replica.compute(images, seed_parts, on_part, context.should_abort)
    if result is None:
        return  # cancelled: the round closed without this unit
    computed = time.monotonic()
    for upload in uploads:
        upload.result()
    timings = {
        "fetch": fetched - begun,
        "load": loaded - fetched,
        "compute": computed - loaded,
        "upload": time.monotonic() - computed,
    }
    workbench.submit((job.id, job.attempts, job.worker_id), result.metrics, timings)
    report({"event": "unit", "run": run, "round": round, "unit": unit, "images": len(images), "timings": timings})
