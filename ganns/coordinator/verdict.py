"""The outcome of an audit, of a unit or of a part of an evaluation."""

from __future__ import annotations

from dataclasses import dataclass

from ganns.store.exclusions import Subject
from ganns.training.audit import Difference


@dataclass(frozen=True)
class Verdict:
    """The outcome of an audit."""

    kind: str  # "unit" or "evaluation"
    round: int  # of an evaluation: the version
    unit: int  # of an evaluation: the part
    worker_id: int | None
    subject: Subject
    found: Difference
    alike: bool  # both machines are of one kind: compared bit for bit
    agreed: bool
    auditor: str
