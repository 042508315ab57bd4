"""Whose turn it is: several runs over one pool of workers get equal shares of the workers' time.

All jobs wait in one queue. A worker takes the one of the highest priority, and of those the oldest. A run has only its
open round's jobs there (with a pipeline those of two rounds), so by age alone runs would take turns by rounds: a run
with larger rounds would get more, and one whose coordinator needs longer between rounds less. So a round's jobs get a
priority: the lower, the more worker seconds their run has used. It is start-time fair queuing (Goyal, Vin, Cheng,
SIGCOMM 1996) with a round as its packet.

Why time, not images: what is shared is the workers' time. With equal images a point with networks four times as large
would take four fifths of the class.
"""

from __future__ import annotations

from collections.abc import Sequence

from ganns.db.connect import Connection
from ganns.db.queries import execute

LAG_S = 3600.0
"""Worker seconds that a run may save up while its coordinator is slow, and then have before the others."""


def join_queue(conn: Connection, run_id: int) -> None:
    """Begin where the other runs are: a new run must not overtake them for as long as they have trained already."""
    execute(conn, "join_queue", run_id=run_id)


def take_turn(conn: Connection, run_id: int, job_ids: Sequence[int], lag_s: float = LAG_S) -> None:
    """Charge the run for the round that it closed last, once, and give its new jobs their priority.

    Charged is the time from a unit's claim to its result, or to the round's end where none came: by the server's clock,
    whatever a worker says, and for spares too. Part of the transaction that enqueued the jobs. A run that is alone
    keeps the default priority.
    """
    execute(conn, "take_turn", run_id=run_id, job_ids=list(job_ids), lag_s=lag_s)
