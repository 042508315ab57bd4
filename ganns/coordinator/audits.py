"""Decide which accepted results are audited, keep the trust in each login, and take no more from those that lie.

It runs on the thread of the rounds, between two steps: `auditor.py` computes beside them. An audit changes no version.
The result that it finds wrong was accepted rounds ago, and stays in the model; what follows from the audit is that the
login's next results are looked at, and that after `audit.failures` wrong ones there are none.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from ganns.config import AuditConfig
from ganns.coordinator.auditor import Asked, Auditor
from ganns.coordinator.collector import Collector
from ganns.coordinator.publisher import Publisher
from ganns.coordinator.refusals import Refusals
from ganns.coordinator.verdict import Verdict
from ganns.store import audits, exclusions, rounds
from ganns.store.audits import AuditedWorker
from ganns.store.exclusions import Kind, Subject
from ganns.store.results import Submission
from ganns.training.audit import Case
from ganns.training.published import as_published
from ganns.training.state import TrainingState
from ganns.training.trust import Trust, is_auditor_suspect, is_chosen, is_out

LAST_S = 30.0
"""The time that an ending run waits for the audits that are left."""


@dataclass
class Audits:
    """The audits of one run."""

    publisher: Publisher
    refusals: Refusals
    auditor: Auditor
    config: AuditConfig
    say: Callable[[str], None]
    draw: Callable[[], float] = random.SystemRandom().random  # no worker can know it
    _workers: dict[int, AuditedWorker] = field(default_factory=dict)
    _trust: dict[Subject, Trust] = field(default_factory=dict)
    _out: set[Subject] = field(default_factory=set)
    _has_doubts: bool = False

    def begin(self) -> None:
        """Read what is known of the logins."""
        conn, run_id = self.publisher.connections.main, self.publisher.run_id
        self._trust = audits.list_trust(conn, run_id)
        self._out = exclusions.list_excluded(conn, run_id)

    def look(self) -> None:
        """Read again who is left out: an instructor may have taken it back."""
        if self._out and self._out != exclusions.list_excluded(self.publisher.connections.main, self.publisher.run_id):
            self.begin()

    def _worker(self, worker_id: int | None) -> AuditedWorker | None:
        if worker_id is None or self.config.of == "nobody":
            return None
        if worker_id not in self._workers:
            self._workers |= audits.list_workers(self.publisher.connections.main, [worker_id], self.config)
        return self._workers.get(worker_id)

    def is_out(self, worker_id: int | None) -> bool:
        """Tell whether a worker's results are taken no more.

        Before it says so, it looks again. A worker that was just readmitted would else lose three results of one unit,
        may then not claim that unit any more, and takes its job from the others each second.
        """
        worker = self._worker(worker_id) if self._out else None
        if worker is None or worker.subject not in self._out:
            return False
        self.look()
        return worker.subject in self._out

    def wants(self, submission: Submission) -> bool:
        """Decide whether a result, which is being accepted, will be audited; called once for each."""
        worker = self._worker(submission.worker_id)
        if worker is None or worker.subject is None or not self.auditor.is_able:
            return False
        trust = self._trust.get(worker.subject, Trust())
        chosen = is_chosen(trust, self.config, self.draw())
        self._trust[worker.subject] = trust.counted(self.config, chosen)
        return chosen

    def gather(self, collector: Collector, state: TrainingState) -> list[Asked]:
        """Return the chosen results of a collected round, while `state` still is the round's version."""
        if not collector.kept:
            return []
        published = as_published(state.weights_of(state.base_version), state.config.codec.down)
        weights = {name: value.clone() for name, value in published.items()}
        asked = []
        for number, parts in collector.kept.items():
            submission, unit = collector.submissions[number], collector.units[number]
            worker = self._worker(submission.worker_id)
            if worker is None or worker.subject is None:
                continue
            case = Case(
                collector.round,
                number,
                unit.slice,
                collector.settings,
                weights,
                parts,
                submission.metrics,
                worker.info,
            )
            agreed = self._trust[worker.subject].agreed
            asked.append(Asked(case, submission.worker_id, worker.subject, agreed))
        return asked

    def decide(self, collector: Collector | None = None) -> None:
        """Record the audits that are done, and put logins that lied too often into quarantine."""
        for verdict in self.auditor.take():
            self._record(verdict)
            subject = verdict.subject
            if verdict.kind == "evaluation" and verdict.agreed:
                continue  # a part costs little: trust is earned by units alone
            trust = self._trust[subject] = self._trust.get(subject, Trust()).after(verdict.agreed)
            if verdict.agreed or subject in self._out:
                continue
            reason, who = in_words(verdict), audits.shown(self.publisher.connections.main, subject)
            self.say(f"an audit found a wrong result of {who}: {reason} (wrong result {trust.failed} of this run)")
            if is_auditor_suspect(self._trust):
                if not self._has_doubts:
                    self._has_doubts = True
                    self.say(
                        "audits disagree with most of the logins: this machine, or the trusted worker, may be the one "
                        "that is broken. Nobody is put into quarantine."
                    )
            elif is_out(trust, self.config):
                self._quarantine(subject, reason, collector)

    def _record(self, verdict: Verdict) -> None:
        fields = vars(verdict) | {"login": verdict.subject.login, "name": verdict.subject.name}
        del fields["subject"], fields["found"]
        conn, run_id = self.publisher.connections.main, self.publisher.run_id
        audits.insert_audit(conn, run_id, **fields, **vars(verdict.found))

    def _quarantine(self, subject: Subject, reason: str, collector: Collector | None) -> None:
        """Take no more results of a login: not those that it is computing, and not those that were not added yet."""
        publisher = self.publisher
        conn, run_id = publisher.connections.main, publisher.run_id
        self._out.add(subject)
        with conn.transaction():
            publisher.hold_lease()
            exclusions.exclude(conn, run_id, subject, Kind.WRONG_RESULTS, reason)
            for this in rounds.list_open_rounds(conn, run_id):
                rounds.lock_round(conn, run_id, this.round)  # no result comes while its unit is given away
                publisher.enqueue_again(this.round, audits.held_units(conn, run_id, this.round, subject))
        who, shown = subject.name or subject.login, audits.shown(conn, subject)
        self.say(
            f"{shown} is in quarantine after {self.config.failures} wrong results, and gets no more units of this "
            f"run; `ganns runs audits {run_id} --readmit {who}` takes it back"
        )
        if collector is not None:
            self.refusals.refuse(collector, collector.refuse_banned())

    def finish(self, should_stop: Callable[[], bool]) -> None:
        """Wait for the audits that are left of an ending run, and record them."""
        waited = 0.0
        while not should_stop() and waited < LAST_S and not self.auditor.wait_idle(0.5):
            waited += 0.5
        self.decide()


def in_words(verdict: Verdict) -> str:
    """Return what was wrong with a result, as the end of a sentence."""
    found = verdict.found
    if verdict.kind == "evaluation":
        return f"part {verdict.unit} of the evaluation of version {verdict.round} is {found.distance:.2g} away"
    return (
        f"its result of unit {verdict.unit} of round {verdict.round} is {found.distance:.2g} away from that of "
        f"{verdict.auditor}, BatchNorm's sums {found.sums:.2g} and losses {found.metrics:.2g}"
    )
