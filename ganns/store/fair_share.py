"""Give several runs on the same workers equal shares of the workers' time.

All jobs wait in one queue. A worker takes the job of the highest priority, and of those the oldest. A run has only its
open round's jobs there (with a pipeline those of two rounds). By age alone runs would take turns by rounds: a run with
larger rounds would get more time, and one with a slow coordinator less. So a round's jobs get a priority, which is
lower if their run has used more worker seconds. This is start-time fair queuing (Goyal, Vin, Cheng, SIGCOMM 1996); a
round is its packet.

Why time, and not images: with equal numbers of images, a run with four times larger networks would take four fifths of
the class.
"""

from __future__ import annotations

from collections.abc import Sequence

from ganns.db.connect import Connection
from ganns.db.queries import execute

LAG_S = 3600.0
"""The largest lead, in worker seconds, that a run can get while its coordinator is slow."""


def join_queue(conn: Connection, run_id: int) -> None:
    """Set the run's used time to that of the other runs: else a new run would first get all workers."""
    execute(conn, "join_queue", run_id=run_id)


def take_turn(conn: Connection, run_id: int, job_ids: Sequence[int], lag_s: float = LAG_S) -> None:
    """Charge the run for its last closed round, once, and set the priority of its new jobs.

    The charge is the time from each unit's claim to its result, or to the round's end if there is no result, by the
    server's clock, for spares too. It is part of the transaction that enqueued the jobs. The jobs of a run that is
    alone keep the default priority.
    """
    execute(conn, "take_turn", run_id=run_id, job_ids=list(job_ids), lag_s=lag_s)
