"""Units that are held too long: they are given to another worker, although the first worker still sends heartbeats.

Where no other worker could take a unit, it stays with the first one, or goes back to it: better late than never.

A heartbeat shows that a program runs, not that it computes. Someone who takes units, sends heartbeats and computes
nothing would stop a run with quorum "all" for ever. A slow machine is no such worker, so the limit follows from its own
speed: it is never below three times that worker's own usual time for a unit, plus its usual time on the network. The
first attempt's result is then late: recorded as effort, and as that worker's speed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ganns.coordinator.publisher import Publisher
from ganns.queue.commands import wake
from ganns.store import overdue, sessions
from ganns.store.overdue import HeldUnit
from ganns.store.rounds import QUEUE

LEAST_S = 30.0
"""No unit is given on before this time: to compute one twice costs more than to wait."""
UNKNOWN_S = 120.0
"""The limit of a worker that has finished no unit of this run yet, or three times the time of the slowest one."""
TIMES = 3.0
LOCKED_S = 8.0
"""A job that a transaction has held for this long gets a successor. The warden ends such a transaction after 5 s; this
is for servers on which it may not."""


def limit_s(held: HeldUnit) -> float:
    """Return the longest time in seconds that a worker may hold a unit."""
    if held.image_s is None:
        return max(UNKNOWN_S, TIMES * held.images * (held.slowest_image_s or 0.0))
    return max(LEAST_S, TIMES * held.images * held.image_s + (held.transfer_s or 0.0))


@dataclass
class Overdue:
    """Gives on what is held too long, of one run."""

    publisher: Publisher
    say: Callable[[str], None]
    on_overdue: Callable[[int], None] = lambda worker_id: None  # another unit that this worker did not finish in time

    def tick(self, round_: int) -> None:
        """Look at the units of an open round."""
        conn, run_id = self.publisher.connections.main, self.publisher.run_id
        for one in overdue.held_units(conn, run_id, round_, LEAST_S):
            if one.held_s > (limit := limit_s(one)) and overdue.give_on(conn, one):
                reason = f"held unit {one.unit} of round {round_} for {one.held_s:.0f} s; its limit is {limit:.0f} s"
                sessions.record(conn, run_id, "overdue", one.login, one.worker, reason)
                self.say(
                    f"worker {one.worker_id} ({one.worker}, login {one.login or 'unknown'}) has {reason}. "
                    "Another worker gets the unit"
                )
                self.on_overdue(one.worker_id)
        if overdue.let_back(conn, run_id, round_):
            wake(QUEUE, connection=conn)
        if locked := overdue.locked_units(conn, run_id, round_, LOCKED_S):
            with conn.transaction():
                self.publisher.hold_lease()
                self.publisher.enqueue_again(round_, [one.unit for one in locked])
            for its in locked:
                self.say(
                    f"unit {its.unit} of round {round_} gets a new job: a transaction of login {its.login} (server "
                    f"process {its.pid}) has held the old one for {its.held_s:.0f} s"
                )
