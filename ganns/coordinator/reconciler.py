"""Keep an open round in order: hold the lease, rescue units of dead workers, and repair losses.

Our own rows say what should be there; the jobs and the UNLOGGED tables hold what is there. A crash of the server
empties UNLOGGED tables, and a sleeping worker can finish a job that is no longer its own. So the two are compared once
a second.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import psycopg

from ganns.coordinator.overdue import Overdue
from ganns.coordinator.publisher import Publisher
from ganns.queue.commands import revoke_unlocked
from ganns.queue.rescue import SILENT_S, Rescuer
from ganns.store import lease, rounds, weights
from ganns.utils.console import plural


@dataclass
class Reconciler:
    """Compares the open rounds of one run with the jobs and blobs, and repairs differences."""

    publisher: Publisher
    say: Callable[[str], None]
    holder: Callable[[], str] = lambda: "who holds it is not known"  # a lock, for a message
    num_alive: int = 0  # workers with a recent heartbeat, as of the last tick
    _rescuer: Rescuer = field(default_factory=Rescuer)
    _is_blocked: bool = False

    def __post_init__(self) -> None:
        """Prepare to give on what is held too long."""
        self.overdue = Overdue(self.publisher, self.say)

    def count_alive(self) -> None:
        """Count the workers with a recent heartbeat."""
        self.num_alive = lease.count_alive(self.publisher.connections.main, SILENT_S)

    def tick(self, round_: int) -> list[int]:
        """Hold the lease, rescue units of dead workers, and reconcile; return the units that were set aside.

        What is locked is left for the next tick: the other units of the round do not wait for it.
        """
        self.publisher.hold_lease()
        set_aside: list[int] = []
        blocked = False
        for step in (
            self._rescue,
            lambda: self.overdue.tick(round_),
            lambda: set_aside.extend(self.reconcile(round_)),
        ):
            try:
                step()
            except psycopg.errors.LockNotAvailable:
                blocked = True
        if blocked and not self._is_blocked:
            self.say(f"a part of the round's maintenance waits for a lock and is left out: {self.holder()}")
        self._is_blocked = blocked
        return set_aside

    def _rescue(self) -> None:
        self._rescuer.tick(self.publisher.connections.main)
        self.count_alive()

    def reconcile(self, round_: int) -> list[int]:
        """Make sure that the weights are there, and that each open unit has a job that can run.

        Returns:
            The units of `round_` that were set aside. With a pipeline the next round is reconciled as well, but its
            units are not returned: they are read from its rows later.
        """
        set_aside = []
        for one in rounds.list_open_rounds(self.publisher.connections.main, self.publisher.run_id):
            self.reconcile_weights(one.weights_version)
            found = self._reconcile_units(one.round)
            set_aside += found if one.round == round_ else []
        return set_aside

    def reconcile_weights(self, version: int) -> None:
        """Upload a version's weights again if they are not all there, and make them visible."""
        publisher = self.publisher
        conn = publisher.connections.main
        if not weights.weights_complete(conn, publisher.run_id, version):
            publisher.upload(version)
            with conn.transaction():
                publisher.hold_lease()
                publisher.insert_version()

    def _reconcile_units(self, round_: int) -> list[int]:
        publisher, run_id = self.publisher, self.publisher.run_id
        conn = publisher.connections.main
        if not rounds.lost_units(conn, run_id, round_, SILENT_S):
            return []
        with conn.transaction():
            publisher.hold_lease()
            rounds.lock_round(conn, run_id, round_)  # a result may have come since: count again while none can come
            lost = rounds.lost_units(conn, run_id, round_, SILENT_S)
            poison = [one for one in lost if one.poison]
            for one in poison:
                rounds.skip_unit(conn, run_id, round_, one.unit, one.reason)
            revoke_unlocked([one.job_id for one in poison], connection=conn)
            publisher.enqueue_again(round_, [one.unit for one in lost if not one.poison])
        for one in poison:
            last = _last_line(one.reason, "no traceback was kept")
            self.say(f"unit {one.unit} of round {round_} is set aside, all attempts failed: {last}")
        return [one.unit for one in poison]

    def say_waiting(self, count: int, quorum: int) -> None:
        """Say that the round waits, and for how many results."""
        if self.num_alive == 0:
            self.say("waiting for workers: none is connected; start one with the line above")
            return
        words = f"waiting: {count} of {quorum} results, {plural(self.num_alive, 'worker')} connected"
        if unable := lease.list_unable(self.publisher.connections.main, self.publisher.run_id, SILENT_S):
            name, reason = unable[0]
            last = _last_line(reason, "no reason was given")
            words += f"; {len(unable)} of them get no unit of this run: {name}: {last}"
        self.say(words)


def _last_line(text: str, otherwise: str) -> str:
    """Return the last line of a traceback or a reason, which says most; `otherwise` if it is empty."""
    return (text.strip().splitlines() or [otherwise])[-1]
