"""The evaluation task: draw some images with a version's averaged generator, and look at them."""

from __future__ import annotations

from ganns.evaluation.desk import get_desk
from ganns.store.evaluations import QUEUE, TASK
from ganns.workbench import get_workbench
from tasks.definition import task
from tasks.gradient import NOT_THE_UNITS
from tasks.runner import Context


@task(name=TASK, queue=QUEUE, priority=-1, bind=True, autoretry_for=(Exception,), max_retries=2)
def evaluate(self: Context, run: int, evaluation: str, start: int, count: int) -> bytes:
    """Return the features of `count` images, and the pixels of some; no bytes if the evaluation is over."""
    workbench = get_workbench()
    desk = get_desk(workbench.device)
    try:
        with workbench.connection() as conn:
            if not desk.prepare(conn, run, evaluation):
                return b""
    except NOT_THE_UNITS as error:
        self.hand_back(error)
    return desk.see(start, count)
