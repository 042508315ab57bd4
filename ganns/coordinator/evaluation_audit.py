"""Audit the parts of an evaluation: draw some images again, and compare their features.

An evaluation decides which version is the best, and a part of it is as reproducible as a unit. It comes from one
worker, so one login could make bad versions look good. The parts of a login that sent a wrong one are all computed
again here, and so is a part whose worker is not known any more, in a class of students.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

import torch

from ganns.config import Config
from ganns.coordinator.verdict import Verdict
from ganns.db.connect import Connection
from ganns.errors import PayloadError
from ganns.evaluation.batches import Tensors, decode
from ganns.store import audits
from ganns.store.exclusions import Subject
from ganns.training.audit import Difference
from ganns.training.trust import Trust, is_chosen

DISTANCE = 0.05
"""Largest relative distance of the features, and of the pixels, from those that another machine computed."""
_DRAW = random.SystemRandom().random


def check_parts(
    conn: Connection,
    run_id: int,
    config: Config,
    version: int,
    job_ids: Sequence[int],
    values: Sequence[bytes],
    compute: Callable[[int], Tensors],
    draw: Callable[[], float] = _DRAW,
) -> tuple[list[Tensors], list[Verdict]]:
    """Return an evaluation's parts, wrong ones replaced, and the verdicts of those that were audited.

    Args:
        conn: a connection.
        run_id: the run.
        config: its configuration.
        version: the evaluated version.
        job_ids: the job of each part.
        values: each part as its worker sent it.
        compute: computes the part of an index on this machine.
        draw: returns a random number from [0, 1) that no worker can know.

    Raises:
        PayloadError: a part cannot be read, and its worker is not audited.
    """
    numbers = audits.workers_of_jobs(conn, job_ids) if config.audit.of != "nobody" else {}
    known = audits.list_workers(conn, {number for number in numbers.values() if number is not None}, config.audit)
    if not any(worker.subject for worker in known.values()):
        return [decode(value) for value in values], []
    trust, wrong, verdicts = audits.list_trust(conn, run_id), set[Subject](), []
    subjects: list[Subject | None] = []
    found: list[Tensors | None] = []  # None: to be computed here
    for index, (job_id, value) in enumerate(zip(job_ids, values, strict=True)):
        number = numbers.get(job_id)
        worker = None if number is None else known.get(number)
        subject = worker.subject if worker else None
        subjects.append(subject)
        if worker is None:
            found.append(None)
            continue
        if subject is None:
            found.append(decode(value))
            continue
        before, part = trust.get(subject, Trust()), _readable(value)
        if part is not None and not is_chosen(before, config.audit, draw()):
            found.append(part)
            continue
        own = compute(index)
        away = apart(part, own)
        verdict = Verdict(
            kind="evaluation",
            round=version,
            unit=index,
            worker_id=number,
            subject=subject,
            found=Difference(away == 0.0, away, 0.0, 0.0),
            alike=False,
            agreed=away <= DISTANCE,
            auditor="the coordinator",
        )
        verdicts.append(verdict)
        trust[subject] = before.after(verdict.agreed)
        if not verdict.agreed:
            wrong.add(subject)
        found.append(own)
    parts = [
        compute(index) if part is None or subject in wrong else part
        for index, (part, subject) in enumerate(zip(found, subjects, strict=True))
    ]
    return parts, verdicts


def _readable(value: bytes) -> Tensors | None:
    try:
        return decode(value)
    except PayloadError:
        return None


def apart(theirs: Tensors | None, mine: Tensors) -> float:
    """Return the larger relative distance of the features and of the pixels; infinity if the form is wrong."""
    if theirs is None or {n: (v.shape, v.dtype) for n, v in theirs.items()} != {
        n: (v.shape, v.dtype) for n, v in mine.items()
    }:
        return math.inf
    distances = [_distance(theirs[name].float(), value.float()) for name, value in mine.items()]
    return math.inf if any(math.isnan(one) for one in distances) else max(distances)


def _distance(theirs: torch.Tensor, mine: torch.Tensor) -> float:
    return float((theirs - mine).norm()) / max(float(mine.norm()), 1e-30)
