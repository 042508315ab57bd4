"""The protocol of a round: open, collect, close. This is the file to read first.

A round turns version v into version v + 1. It is opened and closed in one transaction each, and in fact the
transaction that closes a round opens the next one: at every instant the database holds either "round v is
open" or "round v + 1 is open", whatever is killed at whatever statement.

    upload weights of v ─┐
                         ├─ BEGIN; close round v-1; version v; round v; its jobs; COMMIT
    state of v on disk ──┘
                                                          workers: claim, compute, submit
    LISTEN, count, wait (at most a second), count again ◀─┘
    add in unit order, one Adam step  ->  v + 1

With `strategy.pipeline` two rounds are open at every instant but the last: the transaction that closes round v - 1
opens round v + 1. See `planning.py`. While an instructor holds the run no round is opened: see `control.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from ganns.coordinator.control import Control, Interrupted
from ganns.coordinator.evaluation import Evaluations
from ganns.coordinator.folding import Folding
from ganns.coordinator.goback import WENT_BACK_TO, go_back, require_finite
from ganns.coordinator.health import RoundHealth
from ganns.coordinator.housekeeping import Housekeeping
from ganns.coordinator.observer import Observer, RoundReport
from ganns.coordinator.planning import Planner
from ganns.coordinator.publisher import Publisher
from ganns.coordinator.session import Session
from ganns.coordinator.statefiles import StateFiles
from ganns.coordinator.upkeep import Upkeep
from ganns.errors import Diverged, LeaseLost, RunError
from ganns.state import Progress, TrainingState
from ganns.store import results, rounds, runs
from ganns.store.rounds import Round
from ganns.store.runs import Run
from tasks.control import revoke

POLL_S = 1.0
"""A NOTIFY can be lost (a broken connection, a pooler); after so long we count again anyway."""


@dataclass
class Rounds:
    """The rounds of one run, on open connections."""

    run: Run
    generation: int
    state: TrainingState
    files: StateFiles
    session: Session
    housekeeping: Housekeeping
    evaluations: Evaluations
    observer: Observer
    should_stop: Callable[[], bool]

    def train(self) -> None:
        """Go from round to round until the run is finished.

        Raises:
            Interrupted: told to stop.
            LeaseLost: another coordinator took over.
            Diverged: the model broke, for the second time.
            psycopg.OperationalError: the connection broke; everything continues from `resume`.
        """
        self._clock = self.state.progress.seconds - time.monotonic()
        self.publisher = Publisher(self.run.id, self.generation, self.state, self.files, self.session)
        self.planner = Planner(self.run, self.state.config)
        self.upkeep = Upkeep(self.publisher, self.observer.say)
        self.control = Control(self.publisher, self.upkeep)
        self.health = RoundHealth()
        self.upkeep.count_alive()
        self.publisher.hold_lease()
        if rounds.get_open_round(self.session.main, self.run.id) is None and not self._open():
            return
        self.observer.started(self.run.id, self.state)
        self.upkeep.reconcile(self.state.progress.version)
        while self._round():
            pass

    def _round(self) -> bool:
        """Collect and close the open round, open the next; return False when the run is finished."""
        this = rounds.get_open_round(self.session.main, self.run.id)
        if this is None:
            return self._wait_and_open()
        opened, before = time.monotonic(), self.state.progress
        self.control.say_news()
        try:
            folding = self._collect(this)
            collected = time.monotonic()
            ahead = self.planner.units_ahead(self.session.main, before.version)
            self._advance(folding, len(ahead))
            require_finite(self.state)
        except Diverged as reason:
            return self._go_back(before, reason)
        stepped = time.monotonic()
        size = self.publisher.upload_and_save()
        worked = folding.timings()  # by the workers' clocks, as durations
        timings = worked | {
            "wait": collected - opened - sum(worked.values()),
            "aggregate": stepped - collected,
            "publish": time.monotonic() - stepped,
        }
        goes_on = self._close_and_open(folding, timings, len(ahead))
        return self._closed(size, goes_on, folding.metrics(), timings, len(folding.submissions))

    def _closed(
        self, size: int, goes_on: bool, metrics: dict[str, float], timings: dict[str, float], num_results: int
    ) -> bool:
        """Tell everybody about the round that was just closed; return False when the run is finished."""
        progress = self.state.progress
        groups = self.publisher.take_groups(progress.version - 1)
        self.housekeeping.after_version(progress.version, size * (1 + num_results), groups)
        self.evaluations.after_version(progress.version)
        report = RoundReport(
            self.run.id,
            progress.version,
            progress.images,
            progress.seconds,
            metrics,
            timings,
            num_results,
            self.upkeep.num_alive,
            self.run.num_images,
        )
        self.observer.round_closed(report, self.state)
        for text in self.health.watch(metrics):
            self.observer.say(text)
        return goes_on

    def _go_back(self, before: Progress, reason: Diverged) -> bool:
        """Go on from the last good version, once a run; see `goback.py`."""
        goes_on, size, version = go_back(self.publisher, self.planner, before, reason, self._clock + time.monotonic())
        self.observer.say(
            f"the model broke: {reason} The run went back to the weights of version {version} and goes on with them as "
            f"version {self.state.progress.version}; it does so once."
        )
        return self._closed(size, goes_on, {WENT_BACK_TO: float(version)}, {}, 0)

    # ------------------------------------------------------------------------------------------- collecting

    def _collect(self, this: Round) -> Folding:
        """Wait until the open round can be closed, and return its folded results."""
        conn, run_id = self.session.main, self.run.id
        deadline = None if this.deadline_in_s is None else time.monotonic() + this.deadline_in_s
        folding = Folding(run_id, self.state, rounds.list_units(conn, run_id, this.round))
        quorum_at: float | None = None
        upkeep_at, said_at = time.monotonic() + POLL_S, time.monotonic() + 10.0
        while True:
            for unit, reason in folding.receive(self.session):
                self.upkeep.refuse(this.round, unit, reason)
            now, count = time.monotonic(), len(folding.submissions)
            possible = len(folding.units) - len(folding.skipped)
            if not possible:
                raise RunError(
                    f"Every unit of round {this.round} of run {run_id} was set aside: no worker can compute them. "
                    "The table ganns.skipped holds their tracebacks."
                )
            if count >= min(this.quorum, possible):
                quorum_at = quorum_at or now
                if count == possible or now >= quorum_at + self.state.config.quorum.grace_s:
                    return folding
            elif deadline is not None and now >= deadline and count:
                self.observer.say(f"round {this.round} closes at its deadline with {count} of {this.quorum} results")
                return folding
            if self.should_stop():
                raise Interrupted
            if now >= upkeep_at:
                folding.skip(self.upkeep.tick(this.round))
                self.control.say_news()
                upkeep_at = now + POLL_S
            if now >= said_at:
                said_at = now + 10.0
                self.upkeep.say_waiting(count, this.quorum)
            self.session.wait(self._pause(now, upkeep_at, deadline, quorum_at))

    def _pause(self, now: float, upkeep_at: float, deadline: float | None, quorum_at: float | None) -> float:
        """Return how long to sleep at most; never over half a second, so that Ctrl-C is obeyed at once."""
        events = [now + 0.5, upkeep_at]
        if deadline is not None and deadline > now:
            events.append(deadline)
        if quorum_at is not None:
            events.append(quorum_at + self.state.config.quorum.grace_s)
        return max(0.0, min(events) - now)

    # ---------------------------------------------------------------------------------- advancing, publishing

    def _advance(self, folding: Folding, num_ahead: int) -> None:
        """Step to the next version in memory."""
        folding.finish()
        before = self.state.progress
        done = folding.submissions.keys() | folding.skipped
        cursor = self.planner.cursor_after(before, folding.units, done, num_ahead)
        images = before.images + folding.num_images()
        self.state.advance(folding.totals, Progress(0, images, self._clock + time.monotonic(), cursor))

    def _wait_and_open(self) -> bool:
        """Where no round is open: wait while an instructor holds the run, then go on; False if it is finished."""
        self._clock -= self.control.wait(self.should_stop)
        goes_on = self._open()
        self.upkeep.reconcile(self.state.progress.version)
        return goes_on

    def _open(self) -> bool:
        """Publish the version and open its rounds, where none is open; return False if there is nothing to open.

        It is the run's beginning, or the first round after a finished one is prolonged, or after a pause; in the middle
        of a pause nothing is opened.
        """
        conn, planned = self.session.main, self.planner.to_open(self.state)
        if planned:
            if self.state.base_version != self.state.progress.version:  # the first of two rounds computes at it
                self.upkeep.reconcile_weights(self.state.base_version)
            self.publisher.upload_and_save()
        with conn.transaction():
            self.publisher.hold_lease()
            if planned:
                planned = self.planner.to_open(self.state, units=self.publisher.wish.units)
                self.publisher.publish(planned, goes_on=True)
            if planned or runs.get_run(conn, self.run.id).state == "open":  # paused, and its end was moved before now
                runs.set_state(conn, self.run.id, "open" if planned else "finished")
        return bool(planned)

    def _close_and_open(self, folding: Folding, timings: dict[str, float], num_ahead: int) -> bool:
        """In one transaction: credit, metrics, close the round, publish the new version, open what is next.

        What is next is planned in the transaction too: what instructors want cannot change any more. Return False when
        the run is finished.
        """
        conn, run_id, progress = self.session.main, self.run.id, self.state.progress
        # A pipeline: a statement is sent before the one before it is answered, unless its answer is needed. It saves a
        # dozen waits, in which a whole class would wait too.
        with conn.pipeline(), conn.transaction():
            self.publisher.hold_lease()
            if not rounds.lock_round(conn, run_id, folding.round):
                raise LeaseLost(f"Round {folding.round} of run {run_id} was closed by somebody else.")
            results.credit(conn, run_id, folding.round, folding.submissions)
            runs.insert_metrics(
                conn,
                run_id,
                folding.round,
                images=progress.images,
                seconds=progress.seconds,
                metrics=folding.metrics(),
                timings=timings,
            )
            rounds.close_round(conn, run_id, folding.round)
            if left_over := [unit.job_id for unit in folding.units if unit.unit not in folding.submissions]:
                revoke(left_over, connection=conn)
            planned = self.planner.to_open(self.state, num_ahead, self.publisher.wish.units)
            goes_on = bool(num_ahead or planned)
            self.publisher.publish(planned, goes_on=goes_on)
        return goes_on
