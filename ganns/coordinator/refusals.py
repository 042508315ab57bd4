"""Refuse bad results, and decide whether the worker or the model is broken.

Each refused result is deleted with its parts, and its unit is computed again. Then there are two cases:

- *Its form is wrong*: another shape, a lost part, bytes that nothing can read. A correct program never sends it, so it
  is the worker's fault.
- *Its form is right, but not its numbers* (`ImplausibleResult`): NaN, or far too large. A broken model has such results
  on every machine. So the coordinator computes the unit itself. If its own result is plausible, the worker was wrong.
  If its own result is as large, the model changed suddenly: the limits are raised, and the unit is computed again. If
  its own result is as bad, and a second worker's too, the model has diverged.

A worker that was wrong three times more often than right is set aside: it takes no new jobs. The run goes on.

A coordinator without the run's images asks another worker: the model has diverged if the results of three workers are
refused, or of all that are there, if these are at least two.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from ganns.coordinator.collector import Collector, Refused
from ganns.coordinator.judge import Judge
from ganns.coordinator.publisher import Publisher
from ganns.errors import BadResult, Diverged, ImplausibleResult, Quarantined
from ganns.queue.rescue import SILENT_S
from ganns.store import exclusions, results
from ganns.store.results import Submission

STRIKES = 3
"""A worker with this number of wrong results is set aside; each accepted result makes up for one."""


@dataclass
class Suspicion:
    """The refused results of one unit, whose numbers may be the model's."""

    reason: BadResult  # of the last one
    workers: list[int | None] = field(default_factory=list)  # in this process's time
    refused_from: list[int] = field(default_factory=list)  # in all


@dataclass
class Refusals:
    """The refused results of a run's open round, and the workers that were wrong."""

    publisher: Publisher
    judge: Judge
    say: Callable[[str], None]
    _strikes: Counter[int] = field(default_factory=Counter)
    _suspicions: dict[int, Suspicion] = field(default_factory=dict)  # by unit
    _cleared: set[int] = field(default_factory=set)  # units whose own result is plausible
    _has_said_why: bool = False
    accused: frozenset[int] = frozenset()  # workers whose refused results alone say that the model is broken

    def begin(self) -> None:
        """Forget the round that was closed."""
        self.judge.begin()
        self._suspicions, self._cleared, self._has_said_why = {}, set(), False
        self.accused = frozenset()

    def refuse(self, collector: Collector, refused: Iterable[Refused]) -> None:
        """Delete bad results and their parts, enqueue their units again, and remember their workers."""
        for submission, reason in refused:
            self._refuse(collector, submission, reason)

    def _refuse(self, collector: Collector, submission: Submission, reason: BadResult) -> None:
        publisher, unit = self.publisher, submission.unit
        conn, run_id, round_ = publisher.connections.main, publisher.run_id, collector.round
        with conn.transaction():
            publisher.hold_lease()
            refused_from = results.refuse_result(conn, run_id, round_, submission)
            publisher.enqueue_again(round_, [unit])
        self.say(f"refused a result for unit {unit} of round {round_}: {reason!s:.400}")
        if isinstance(reason, ImplausibleResult) and unit not in self._cleared:
            suspicion = self._suspicions.setdefault(unit, Suspicion(reason))
            suspicion.reason, suspicion.refused_from = reason, refused_from
            suspicion.workers.append(submission.worker_id)
            self.judge.ask(publisher.state, collector.units[unit], collector.config)
        elif not isinstance(reason, Quarantined):  # such a worker may still compute other runs
            self._strike([submission.worker_id])

    def strike(self, worker_id: int) -> None:
        """Count a unit that a worker did not finish in time like a wrong result."""
        self._strike([worker_id])

    def decide(self, collector: Collector) -> None:
        """Look at what is known of the suspicious units, and draw the conclusions.

        Raises:
            Diverged: if the model gives such results.
        """
        for unit, suspicion in list(self._suspicions.items()):
            own = self.judge.answer(unit)
            if isinstance(own, dict):
                del self._suspicions[unit]
                self._cleared.add(unit)
                if collector.raise_limits(own):
                    self.say(f"the coordinator's own result of unit {unit} is as large: the limits are raised")
                else:
                    self._strike(suspicion.workers)
            elif unit in collector.submissions:  # of another worker, and plausible
                del self._suspicions[unit]
                if own is None:
                    self._strike(suspicion.workers)
            elif self._is_the_model(unit, suspicion, own):
                if own is None:
                    self.accused = frozenset(suspicion.refused_from)
                raise Diverged(
                    f"Run {collector.run_id} diverged: unit {unit} of round {collector.round} was refused "
                    f"{len(suspicion.refused_from)} times ({suspicion.reason!s:.400}) Try a smaller optimizer.lr_d or "
                    "optimizer.lr_g in a new run."
                )

    def _is_the_model(self, unit: int, suspicion: Suspicion, own: BadResult | None) -> bool:
        """Tell whether enough computations agree that there is no plausible result.

        Each of two workers may compute one of two units again and again. So where the coordinator's own results are
        bad, the workers of all such units count together.
        """
        if own is None and self.judge.cannot is None:
            return False  # it is being computed
        workers = set(suspicion.refused_from)
        if own is not None:
            for other, one in self._suspicions.items():
                if isinstance(self.judge.answer(other), BadResult):
                    workers.update(one.refused_from)
        num = self._num_people(workers)
        if num >= (2 if own is not None else 3):
            return True
        if results.others_present(self.publisher.connections.main, workers, SILENT_S):
            return False
        if own is not None or num == 2:
            return True
        if not self._has_said_why:
            self._has_said_why = True
            self.say(
                f"is the worker broken, or the model? Unit {unit} was refused from the only worker, and this machine "
                f"cannot compute it ({self.judge.cannot}). Start another worker."
            )
        return False

    def _num_people(self, workers: Collection[int]) -> int:
        """Return how many different people's workers these are: one student may start any number of them."""
        found = exclusions.identities(self.publisher.connections.main, workers)
        return len(set(found.values())) + len(set(workers) - found.keys())

    def accepted(self, submissions: Iterable[Submission]) -> None:
        """Let each result of a closed round make up for one that was wrong."""
        for submission in submissions:
            if self._strikes[submission.worker_id or -1] > 0:
                self._strikes[submission.worker_id or -1] -= 1

    def _strike(self, workers: Iterable[int | None]) -> None:
        for worker in workers:
            if worker is None:
                continue
            self._strikes[worker] += 1
            if self._strikes[worker] == STRIKES:
                name = results.set_aside_worker(self.publisher.connections.main, worker)
                self.say(
                    f"worker {worker} ({name or 'unknown'}) is set aside after {STRIKES} bad results or units that it "
                    "did not finish in time: it takes no more jobs until it is started again, or "
                    f"`ganns tasks drain --undo {worker}`"
                )
