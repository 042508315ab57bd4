"""While a round is open: keep the lease, rescue, put right what got lost, and refuse what is wrong.

What should be is in our own rows; what is, in the jobs and the UNLOGGED tables. A crash of the server empties the
latter, a sleeping worker finishes a job that is no longer its own: so once a second the two are compared.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ganns.coordinator.publisher import Publisher
from ganns.errors import Diverged
from ganns.store import results, rounds, weights, workers
from tasks.rescue import SILENT_S, Rescuer

REFUSALS = 3
"""Refusals of one unit, even from one worker alone, that mean the model diverged."""


@dataclass
class Upkeep:
    """The upkeep of one run's open rounds."""

    publisher: Publisher
    say: Callable[[str], None]
    num_alive: int = 0  # workers with a recent heartbeat, as of the last tick
    _rescuer: Rescuer = field(default_factory=Rescuer)

    def count_alive(self) -> None:
        """Count the workers that were heard of lately."""
        self.num_alive = workers.count_alive(self.publisher.session.main, SILENT_S)

    def tick(self, round_: int) -> list[int]:
        """Once a second: keep the lease, rescue the units of dead workers, reconcile; return the units set aside."""
        self.publisher.hold_lease()
        self._rescuer.tick(self.publisher.session.main)
        self.count_alive()
        return self.reconcile(round_)

    def reconcile(self, round_: int) -> list[int]:
        """See to it that the weights are there, and a live job behind every open unit.

        Returns:
            The units of `round_` that were set aside. A round that is open ahead is seen to as well; what is set
            aside of it, its rows say when it is its turn.
        """
        set_aside = []
        for one in rounds.list_open_rounds(self.publisher.session.main, self.publisher.run_id):
            self.reconcile_weights(one.weights_version)
            found = self._reconcile_units(one.round)
            set_aside += found if one.round == round_ else []
        return set_aside

    def reconcile_weights(self, version: int) -> None:
        """Upload a version's weights again if they are not all there, and make them visible."""
        publisher = self.publisher
        conn = publisher.session.main
        if not weights.weights_complete(conn, publisher.run_id, version):
            publisher.upload(version)
            with conn.transaction():
                publisher.hold_lease()
                publisher.insert_version()

    def _reconcile_units(self, round_: int) -> list[int]:
        publisher, run_id = self.publisher, self.publisher.run_id
        conn = publisher.session.main
        if not rounds.lost_units(conn, run_id, round_):
            return []
        with conn.transaction():
            publisher.hold_lease()
            rounds.lock_round(conn, run_id, round_)  # a result may have come since: count again while none can come
            lost = rounds.lost_units(conn, run_id, round_)
            poison = [one for one in lost if one.poison]
            for one in poison:
                rounds.skip_unit(conn, run_id, round_, one.unit, one.reason)
            publisher.enqueue_again(round_, [one.unit for one in lost if not one.poison])
        for one in poison:
            last = one.reason.strip().splitlines()[-1]
            self.say(f"unit {one.unit} of round {round_} is set aside, all attempts failed: {last}")
        return [one.unit for one in poison]

    def refuse(self, round_: int, unit: int, reason: Exception) -> None:
        """Take a bad result out and compute its unit again.

        Raises:
            Diverged: if the unit was refused from two workers, or three times.
        """
        publisher, run_id = self.publisher, self.publisher.run_id
        conn = publisher.session.main
        with conn.transaction():
            publisher.hold_lease()
            refused_from = results.refuse_result(conn, run_id, round_, unit)
            publisher.enqueue_again(round_, [unit])
        self.say(f"refused a result for unit {unit} of round {round_}: {reason}")
        if len(set(refused_from)) >= 2 or len(refused_from) >= REFUSALS:
            raise Diverged(
                f"Run {run_id} diverged: unit {unit} of round {round_} was refused {len(refused_from)} times "
                f"({reason}) Try a smaller optimizer.lr_d or optimizer.lr_g in a new run."
            )

    def say_waiting(self, count: int, quorum: int) -> None:
        """Say what the round waits for."""
        if self.num_alive == 0:
            self.say("waiting for workers: none is connected; start one with the line above")
        else:
            self.say(f"waiting: {count} of {quorum} results, {self.num_alive} workers connected")
