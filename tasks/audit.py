"""The audit task: compute another worker's result again, and return the differences. Only trusted logins get it.

`ganns.training.audit` has the comparison; `ganns_api.task_fetch` keeps the task from students' logins.
"""

from __future__ import annotations

from typing import Any

from ganns.queue.decorator import task
from ganns.queue.machine import worker_name
from ganns.queue.runner import Context
from ganns.store import evaluations
from ganns.store.audits import QUEUE, TASK
from ganns.training.audit import from_tensors
from ganns.training.serialization import unpack
from tasks.run_cache import get_run_cache, prepare_images
from tasks.weights_cache import download_if_there


@task(name=TASK, queue=QUEUE, priority=-2, bind=True, autoretry_for=(Exception,), max_retries=1, prepare=prepare_images)
def audit(self: Context, run: int, audit: str) -> dict[str, Any] | None:
    """Return the outcome, and this worker's name; None if nobody waits for it any more, or if it found out nothing."""
    cache = get_run_cache()
    wanted = evaluations.generator_download(audit, cache.speed.down)
    found = download_if_there(cache.connection, wanted, cache.speed)
    if found is None:
        return None
    case = from_tensors(unpack(*found))
    finding = cache.get_or_refuse(run, self.job_id, self.worker_id).audit(case, self.should_abort)
    if finding is None:
        return None
    return {**vars(finding.found), "alike": finding.alike, "agreed": finding.agreed, "worker": worker_name()}
