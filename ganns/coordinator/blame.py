"""Find who broke the model: whose accepted results were far larger than the other results of their rounds.

A result below the limits is added (`ganns/training/bounds.py`), and enough of such results can break a model. Before a
run is given up, those who sent them get no more of its units, and the run goes back once more.

It is memory of this process alone: after a restart less is known, and no one is blamed for what was before.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from statistics import median_low

from ganns.coordinator.collector import ROLES, Collector
from ganns.db.connect import Connection
from ganns.queue.rescue import SILENT_S
from ganns.store import exclusions
from ganns.store.exclusions import Subject

OUTLIER = 8.0
"""An accepted gradient is suspicious if its norm is this many times the median of its round. Of healthy results none
had more than 4.2 times what the run remembered (docs/explain/refused-results.md)."""


@dataclass(frozen=True)
class Outlier:
    """A result that is much larger than the others of its round."""

    round: int
    unit: int
    worker_id: int
    times: float  # its norm, in medians of the round


@dataclass
class Blame:
    """The outliers among a run's accepted results."""

    outliers: list[Outlier] = field(default_factory=list)

    def note(self, collector: Collector) -> None:
        """Take note of the results that a round's step was made of."""
        for role in ROLES:
            norms = {unit: sizes[role].norm for unit, sizes in collector.sizes.items()}
            middle = median_low(norms.values()) if norms else 0.0
            for unit, norm in norms.items():
                worker_id = collector.submissions[unit].worker_id
                if worker_id is not None and middle > 0 and norm > OUTLIER * middle:
                    self.outliers.append(Outlier(collector.round, unit, worker_id, norm / middle))

    def who(self, conn: Connection, run_id: int, since: int, accused: Collection[int]) -> dict[Subject, str]:
        """Return who should be left out, and why; no one if no other worker would remain.

        Args:
            conn: a connection.
            run_id: the run.
            since: the version to which the run goes back: what was before did no harm.
            accused: workers whose results were refused, where no other computation says whether the model is broken.
        """
        reasons: dict[int, str] = dict.fromkeys(accused, "its results were refused when the model seemed broken")
        for one in self.outliers:
            if one.round >= since:
                reasons[one.worker_id] = (
                    f"its result of unit {one.unit} of round {one.round} was {one.times:.0f} times as large as the "
                    "round's median, and the model broke after it"
                )
        found = exclusions.identities(conn, reasons)
        blamed = {found[worker]: reason for worker, reason in reasons.items() if worker in found}
        return blamed if blamed and exclusions.count_others(conn, run_id, list(blamed), SILENT_S) else {}

    def forget(self) -> None:
        """Begin anew after the run went back."""
        self.outliers.clear()
