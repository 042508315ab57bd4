"""Compute accepted results again, on a thread of low priority, and compare them with what the workers sent.

The results wait in memory, those of the least trusted login first. The coordinator computes them itself if it has the
run's images; else a worker of a trusted login does, as a task with the lowest priority. No round waits for an audit.
"""

from __future__ import annotations

import functools
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import psycopg

from ganns.config import Config
from ganns.coordinator.verdict import Verdict
from ganns.data import ImageSet, images_of
from ganns.db.address import Address
from ganns.db.connect import connect
from ganns.errors import DatabaseError, TaskError
from ganns.queue.machine import describe
from ganns.queue.rescue import SILENT_S
from ganns.queue.signature import signature
from ganns.store import audits, evaluations
from ganns.store.exclusions import Subject
from ganns.store.runs import Run
from ganns.training.audit import AuditResult, Case, Difference, audit, to_tensors
from ganns.training.serialization import pack
from ganns.training.strategies import build_computer
from ganns.training.unit import UnitComputer
from ganns.utils.background import end_before_exit

MAX_BYTES = 512 << 20
"""The results and weights that wait take at most this memory; results of the most trusted logins are let go first."""
REMOTE_S = 120.0
"""A trusted worker that needs longer is given up."""
UNABLE_S = 30.0
"""When neither this machine nor a trusted worker can audit, it is tried again after this time."""
PRIORITY = -2  # after units and evaluations
NICE = 15


@dataclass(frozen=True)
class Asked:
    """A result to be computed again."""

    case: Case
    worker_id: int | None
    subject: Subject
    agreed: int  # audits in a row, when it was chosen

    @property
    def size_bytes(self) -> int:
        """Its bytes in memory, with the weights, which results of one round share."""
        tensors = [*self.case.weights.values(), *(v for p in self.case.parts.values() for v in p.gradients.values())]
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)

    def verdict(self, finding: AuditResult, auditor: str) -> Verdict:
        """Return the outcome."""
        case = self.case
        return Verdict(
            "unit",
            case.round,
            case.unit,
            self.worker_id,
            self.subject,
            finding.found,
            finding.alike,
            finding.agreed,
            auditor,
        )


class Auditor:
    """Audits results of one run, one after the other."""

    def __init__(self, run: Run, config: Config, address: Address, generation: int, say: Callable[[str], None]) -> None:
        """Begin with nothing to do; the thread starts with the first result."""
        self._run, self._config, self._address, self._generation, self._say = run, config, address, generation, say
        self._waiting: list[Asked] = []
        self._done: list[Verdict] = []
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._is_busy = False
        self._thread: threading.Thread | None = None
        self._cannot: str | None = None  # why this machine cannot compute units of the run
        self._unable_until = 0.0
        self._has_said_why = False

    @property
    def is_able(self) -> bool:
        """Tell whether this machine or a trusted worker can audit, as far as is known."""
        return time.monotonic() >= self._unable_until

    def put(self, asked: Sequence[Asked]) -> None:
        """Audit results soon."""
        if not asked:
            return
        with self._changed:
            self._waiting = sorted([*self._waiting, *asked], key=lambda one: one.agreed)  # stable: the oldest first
            while len(self._waiting) > 1 and sum(one.size_bytes for one in self._waiting) > MAX_BYTES:
                self._waiting.pop()
            self._changed.notify_all()
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="audits", daemon=True)
            self._thread.start()

    def report(self, verdicts: Sequence[Verdict]) -> None:
        """Add the verdicts of another audit."""
        with self._changed:
            self._done += verdicts

    def take(self) -> list[Verdict]:
        """Return the verdicts that are new, oldest first."""
        with self._changed:
            done, self._done = self._done, []
        return done

    def wait_idle(self, timeout_s: float) -> bool:
        """Wait until nothing is left to audit; return False if that takes longer than `timeout_s` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not (self._waiting or self._is_busy), timeout_s)

    def close(self) -> None:
        """Stop, without the audits that wait."""
        self._stop.set()
        with self._changed:
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(10.0)
            end_before_exit(self._thread)

    # ---------------------------------------------------------------------------------------------- on the thread

    def _work(self) -> None:
        _be_nice()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stop.is_set())
                if self._stop.is_set():
                    return
                self._is_busy, asked = True, self._waiting.pop(0)
            verdict = None
            try:
                verdict = self._audit(asked)
            except (psycopg.Error, DatabaseError, TaskError) as error:
                self._be_unable(f"{type(error).__name__}: {error!s:.200}")
            finally:
                with self._changed:
                    self._is_busy = False
                    self._done += [verdict] if verdict else []
                    self._changed.notify_all()

    def _audit(self, asked: Asked) -> Verdict | None:
        if self._cannot is None:
            try:
                return self._audit_here(asked)
            except Exception as error:  # no images, or others; a plug-in that raises
                self._cannot = f"{type(error).__name__}: {error!s:.200}"
        return self._audit_elsewhere(asked)

    def _audit_here(self, asked: Asked) -> Verdict | None:
        """Audit on this machine; None if told to stop, or if this machine does not agree with itself."""
        case = asked.case
        finding = audit(self._computer, self._images, self._config, case, self._machine, self._stop.is_set)
        if finding is not None:
            return asked.verdict(finding, "the coordinator")
        if not self._stop.is_set():
            self._say(f"an audit of unit {case.unit} of round {case.round} gave two results on this machine")
        return None

    def _audit_elsewhere(self, asked: Asked) -> Verdict | None:
        """Let a worker of a trusted login audit; None if there is none.

        Where all share one login, anyone could take the task, the audited worker too.
        """
        if asked.subject.name:
            self._be_unable(f"this machine cannot compute units ({self._cannot})")
            return None
        with connect(self._address, application="ganns coordinator: audits") as conn:
            if not audits.trusted_present(conn, SILENT_S):
                self._be_unable(
                    f"this machine cannot compute units ({self._cannot}), and no worker with the owner's login is here"
                )
                return None
            data = pack(to_tensors(asked.case))
            name = evaluations.put_generator(conn, self._run.id, self._generation, data)
            call = signature(
                audits.TASK,
                kwargs={"run": self._run.id, "audit": str(name)},
                queue=audits.QUEUE,
                priority=PRIORITY,
                expires=REMOTE_S,
            ).apply_async(connection=conn)
            try:
                until = time.monotonic() + REMOTE_S
                while not call.ready():
                    if self._stop.wait(0.3) or time.monotonic() > until:
                        return None
                said = call.get(timeout=REMOTE_S)
            finally:
                evaluations.forget_generator(conn, name)
                call.revoke()
                call.forget()
        if said is None:
            return None
        found = Difference(said["same"], *(float(said[key]) for key in ("distance", "sums", "metrics")))
        return asked.verdict(AuditResult(found, said["alike"], said["agreed"]), said["worker"])

    def _be_unable(self, why: str) -> None:
        self._unable_until = time.monotonic() + UNABLE_S
        if not self._has_said_why:
            self._has_said_why = True
            self._say(f"results are not audited: {why}. Start a worker with the owner's login, or get the images here.")

    @functools.cached_property
    def _machine(self) -> dict[str, object]:
        return describe() | {"device": "cpu"}

    @functools.cached_property
    def _computer(self) -> UnitComputer:
        return build_computer(self._config)

    @functools.cached_property
    def _images(self) -> ImageSet:
        images = images_of(self._config)
        images.check(self._run.fingerprint)
        return images


def _be_nice() -> None:
    """Let every other thread of this machine go first; only Linux knows a priority for each thread."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
