"""The protocol of a round: open, collect, close. Read this file first.

A round turns version v into version v + 1. The transaction that closes a round opens the next one: at every instant
the database says either "round v is open" or "round v + 1 is open", also when a process is killed at any statement.

    upload weights of v ─┐
                         ├─ BEGIN; close round v-1; version v; round v; its jobs; COMMIT
    state of v on disk ──┘
                                                          workers: claim, compute, submit
    LISTEN, count, wait (at most a second), count again ◀─┘
    add in unit order, one Adam step  ->  v + 1

With `strategy.pipeline` two rounds are open at every instant but the last: the transaction that closes round v - 1
opens round v + 1. See `scheduler.py`. While an instructor pauses the run, no round is opened: see `commands.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import psycopg

from ganns.coordinator.auditor import Asked, Auditor
from ganns.coordinator.audits import Audits
from ganns.coordinator.blame import Blame
from ganns.coordinator.cleanup import Cleanup
from ganns.coordinator.collector import Collector
from ganns.coordinator.commands import Commands, Interrupted
from ganns.coordinator.connections import Connections
from ganns.coordinator.evaluation_thread import Evaluations
from ganns.coordinator.judge import Judge
from ganns.coordinator.observer import Observer, RoundReport
from ganns.coordinator.publisher import Publisher
from ganns.coordinator.reconciler import Reconciler
from ganns.coordinator.refusals import Refusals
from ganns.coordinator.rollback import WENT_BACK_TO, go_back, require_finite
from ganns.coordinator.scheduler import Scheduler
from ganns.coordinator.state_files import StateFiles
from ganns.coordinator.warden import Warden
from ganns.errors import Diverged, LeaseLost, RunError
from ganns.evaluation.health import RoundHealth
from ganns.queue.commands import revoke_unlocked
from ganns.store import results, rounds, runs
from ganns.store.object_store import ObjectStore
from ganns.store.rounds import Round
from ganns.store.runs import Run
from ganns.training.state import Progress, TrainingState
from ganns.utils.printable import printable

POLL_S = 1.0
"""A NOTIFY can be lost (a broken connection, a pooler); after this time the results are counted anyway."""


@dataclass
class Rounds:
    """The rounds of one run, on open connections."""

    run: Run
    generation: int
    state: TrainingState
    files: StateFiles
    connections: Connections
    cleanup: Cleanup
    evaluations: Evaluations
    auditor: Auditor
    observer: Observer
    should_stop: Callable[[], bool]
    warden: Warden
    scheduler: Scheduler
    store: ObjectStore | None = None

    def train(self) -> None:
        """Train round after round until the run is finished.

        Raises:
            Interrupted: told to stop.
            LeaseLost: another coordinator took over.
            Diverged: the model has diverged again, and there is no one to leave out.
            psycopg.OperationalError: the connection broke; everything continues from `resume`.
        """
        self._clock = self.state.progress.seconds - time.monotonic()
        self.publisher = Publisher(self.run.id, self.generation, self.state, self.files, self.connections, self.store)
        self.reconciler = Reconciler(self.publisher, self.observer.say, self.warden.holder)
        self.commands = Commands(self.publisher, self.reconciler)
        self.health = RoundHealth()
        self.blame = Blame()
        judge = Judge(self.run, self.state.config)
        self.refusals = Refusals(self.publisher, judge, self.observer.say)
        self.reconciler.overdue.on_overdue = self.refusals.strike
        self.audits = Audits(self.publisher, self.refusals, self.auditor, self.state.config.audit, self.observer.say)
        self.audits.begin()
        self.reconciler.count_alive()
        self.publisher.hold_lease()
        if rounds.get_open_round(self.connections.main, self.run.id) is None and not self._open():
            return
        self.observer.started(self.run.id, self.state)
        self.reconciler.reconcile(self.state.progress.version)
        try:
            while self._round():
                pass
            self.audits.finish(self.should_stop)
        finally:
            judge.close()

    def _round(self) -> bool:
        """Collect and close the open round, open the next; return False when the run is finished."""
        this = rounds.get_open_round(self.connections.main, self.run.id)
        if this is None:
            return self._wait_and_open()
        opened, before = time.monotonic(), self.state.progress
        self.commands.say_news()
        try:
            collector = self._collect(this)
            collected = time.monotonic()
            ahead = self.scheduler.units_ahead(self.connections.main, before.version)
            asked = self._advance(this, collector, len(ahead))
            self.blame.note(collector)
            require_finite(self.state)
        except Diverged as reason:
            return self._go_back(before, reason)
        stepped = time.monotonic()
        size = self.publisher.upload_and_save()
        worked = collector.timings()  # by the workers' clocks, as durations
        timings = worked | {
            "wait": collected - opened - sum(worked.values()),
            "aggregate": stepped - collected,
            "publish": time.monotonic() - stepped,
        }
        goes_on = self._close_or_wait(collector, timings, len(ahead))
        self.refusals.accepted(collector.submissions.values())
        self.audits.auditor.put(asked)
        return self._closed(size, goes_on, collector.metrics(), timings, len(collector.submissions))

    def _closed(
        self, size: int, goes_on: bool, metrics: dict[str, float], timings: dict[str, float], num_results: int
    ) -> bool:
        """Report the round that was closed to all observers; return False when the run is finished."""
        progress = self.state.progress
        groups = self.publisher.take_groups(progress.version - 1)
        self.cleanup.after_version(progress.version, size * (1 + num_results), groups)
        self.evaluations.after_version(progress.version)
        report = RoundReport(
            self.run.id,
            progress.version,
            progress.images,
            progress.seconds,
            metrics,
            timings,
            num_results,
            self.reconciler.num_alive,
            self.run.num_images,
        )
        self.observer.round_closed(report, self.state)
        for finding in self.health.watch(metrics):
            self.observer.say(str(finding))
        return goes_on

    def _go_back(self, before: Progress, reason: Diverged) -> bool:
        """Go on from the last good version, if the run may; see `rollback.py`."""
        seconds = self._clock + time.monotonic()
        done = go_back(self.publisher, self.scheduler, before, reason, seconds, self.blame, self.refusals.accused)
        self.observer.say(
            f"the model broke: {reason} The run went back to the weights of version {done.version} and goes on with "
            f"them as version {self.state.progress.version}; it does so once, and again if it can leave someone out."
        )
        for who, why in done.blamed.items():
            name = f", worker {who.name}" if who.name else ""
            back = f"`ganns runs audits {self.run.id} --readmit {printable(who.name or who.login)}` takes it back"
            self.observer.say(f"login {who.login}{name} gets no more units of this run: {why}; {back}")
        return self._closed(done.size, done.goes_on, {WENT_BACK_TO: float(done.version)}, {}, 0)

    # ------------------------------------------------------------------------------------------- collecting

    def _collect(self, this: Round) -> Collector:
        """Wait until the open round can be closed, and return its results."""
        conn, run_id = self.connections.main, self.run.id
        deadline = None if this.deadline_in_s is None else time.monotonic() + this.deadline_in_s
        units = rounds.list_units(conn, run_id, this.round)
        collector = Collector(
            run_id, self.state, units, this.settings, keeps=self.audits.wants, is_out=self.audits.is_out
        )
        self.refusals.begin()
        quorum_at: float | None = None
        reconcile_at, said_at = time.monotonic() + POLL_S, time.monotonic() + 10.0
        while True:
            self.refusals.refuse(collector, collector.receive(self.connections))
            self.refusals.decide(collector)
            self.audits.decide(collector)
            now, count = time.monotonic(), len(collector.submissions)
            possible = len(collector.units) - len(collector.skipped)
            if not possible:
                raise RunError(
                    f"Every unit of round {this.round} of run {run_id} was set aside: no worker can compute them. "
                    "The table ganns.skipped holds their tracebacks."
                )
            is_over, is_late = False, False
            if count >= min(this.quorum, possible):
                quorum_at = quorum_at or now
                is_over = count == possible or now >= quorum_at + self.state.config.quorum.grace_s
            else:
                quorum_at = None  # a result of the quorum was refused
                is_late = deadline is not None and now >= deadline and count > 0
            if is_over or is_late:
                if refused := collector.set_limits():
                    self.refusals.refuse(collector, refused)
                    continue
                if is_late:
                    self.observer.say(
                        f"round {this.round} closes at its deadline with {count} of {this.quorum} results"
                    )
                return collector
            if self.should_stop():
                raise Interrupted
            if now >= reconcile_at:
                collector.skip(self.reconciler.tick(this.round))
                self.commands.say_news()
                self.audits.look()
                reconcile_at = now + POLL_S
            if now >= said_at:
                said_at = now + 10.0
                self.reconciler.say_waiting(count, this.quorum)
            self.connections.wait(self._pause(now, reconcile_at, deadline, quorum_at))

    def _pause(self, now: float, reconcile_at: float, deadline: float | None, quorum_at: float | None) -> float:
        """Return the longest time to wait; at most half a second, because of Ctrl-C."""
        events = [now + 0.5, reconcile_at]
        if deadline is not None and deadline > now:
            events.append(deadline)
        if quorum_at is not None:
            events.append(quorum_at + self.state.config.quorum.grace_s)
        return max(0.0, min(events) - now)

    # ---------------------------------------------------------------------------------- advancing, publishing

    def _advance(self, this: Round, collector: Collector, num_ahead: int) -> list[Asked]:
        """Turn the state into the next version, in memory; return the results that will be audited."""
        collector.finish()
        asked = self.audits.gather(collector, self.state)
        before = self.state.progress
        done = collector.submissions.keys() | collector.skipped
        cursor = self.scheduler.cursor_after(before, list(collector.units.values()), done, num_ahead, this.settings)
        images = before.images + collector.num_images()
        progress = Progress(0, images, self._clock + time.monotonic(), cursor)
        self.state.advance(collector.totals, progress, collector.config)
        return asked

    def _wait_and_open(self) -> bool:
        """Wait while the run is paused, then open its next round; return False if the run is finished."""
        self._clock -= self.commands.wait(self.should_stop)
        goes_on = self._open()
        self.reconciler.reconcile(self.state.progress.version)
        return goes_on

    def _open(self) -> bool:
        """Publish the version and open its rounds, when none is open; return False if there is nothing to open.

        This happens at the run's beginning, after its end was moved, and after a pause; during a pause nothing is
        opened.
        """
        conn, planned = self.connections.main, self.scheduler.to_open(self.state)
        if planned:
            if self.state.base_version != self.state.progress.version:  # the first of two rounds computes at it
                self.reconciler.reconcile_weights(self.state.base_version)
            self.publisher.upload_and_save()
        with conn.transaction():
            self.publisher.hold_lease()
            if planned:
                choice = self.scheduler.choose(conn, self.state.progress.version, self.publisher.wish.units)
                planned = self.scheduler.to_open(self.state, choice=choice)
                self.publisher.publish(planned, goes_on=True)
            if planned or runs.get_run(conn, self.run.id).state == "open":  # paused, and its end was moved back
                runs.set_state(conn, self.run.id, "open" if planned else "finished")
        return bool(planned)

    def _close_or_wait(self, collector: Collector, timings: dict[str, float], num_ahead: int) -> bool:
        """Close the round as soon as no transaction of a worker keeps its row locked: see `_close_and_open`.

        Raises:
            Interrupted: told to stop meanwhile. The round stays open, and is collected again when the run is resumed.
        """
        while True:
            groups = list(self.publisher.groups)
            try:
                return self._close_and_open(collector, timings, num_ahead)
            except psycopg.errors.LockNotAvailable:
                self.publisher.groups = groups  # its transaction was undone
                if self.should_stop():
                    raise Interrupted from None
                self.observer.say(f"round {collector.round} cannot be closed yet: {self.warden.holder()}")

    def _close_and_open(self, collector: Collector, timings: dict[str, float], num_ahead: int) -> bool:
        """Close the round (credit, metrics), publish the new version and open the next round, in one transaction.

        The next round is planned in the transaction too, when the instructors' command cannot change any more, and its
        settings are chosen by the workers that are present now (`strategy.per_class`). Return
        False when the run is finished.
        """
        conn, run_id, progress = self.connections.main, self.run.id, self.state.progress
        influences = collector.influences()
        # A pipeline sends a statement before the one before it is answered, unless its answer is needed. This saves a
        # dozen round trips, during which a whole class would wait.
        with conn.pipeline(), conn.transaction():
            self.publisher.hold_lease()
            if not rounds.lock_round(conn, run_id, collector.round):
                raise LeaseLost(f"Round {collector.round} of run {run_id} was closed by another coordinator.")
            results.credit(conn, run_id, collector.round, collector.submissions.values(), influences, collector.digests)
            runs.insert_metrics(
                conn,
                run_id,
                collector.round,
                images=progress.images,
                seconds=progress.seconds,
                metrics=collector.metrics(),
                timings=timings,
            )
            rounds.close_round(conn, run_id, collector.round)
            if left_over := [
                unit.job_id for unit in collector.units.values() if unit.unit not in collector.submissions
            ]:
                revoke_unlocked(left_over, connection=conn)
            choice = self.scheduler.choose(conn, progress.version, self.publisher.wish.units)
            planned = self.scheduler.to_open(self.state, num_ahead, choice)
            goes_on = bool(num_ahead or planned)
            self.publisher.publish(planned, goes_on=goes_on)
        return goes_on
