"""The evaluation task: draw some images with a version's averaged generator, and compute their features."""

from __future__ import annotations

from ganns.errors import GannsError
from ganns.queue.decorator import task
from ganns.queue.runner import Context
from ganns.store.evaluations import QUEUE, TASK
from tasks.blame import is_of_the_worker, named
from tasks.evaluation_cache import get_evaluation_cache
from tasks.run_cache import get_run_cache


@task(name=TASK, queue=QUEUE, priority=-1, bind=True, autoretry_for=(Exception,), max_retries=2)
def evaluate(self: Context, run: int, evaluation: str, start: int, count: int) -> bytes:
    """Return the features of `count` images, and the pixels of some; no bytes if the evaluation is over."""
    runs = get_run_cache()
    cache = get_evaluation_cache(runs.device)
    try:
        if not cache.prepare(runs.connection, run, evaluation, runs.speed):
            return b""
        return cache.compute(start, count)
    except Exception as error:
        found = named(error, runs.device)
        if is_of_the_worker(found) or isinstance(found, GannsError):
            self.hand_back(found)
        raise
