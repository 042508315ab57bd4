"""Rounds, their units, and the jobs behind the units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from psycopg.types.json import Jsonb

from ganns.db.connect import Connection
from ganns.db.queries import execute
from ganns.errors import RunError
from ganns.training.plan import Slice
from ganns.training.round_settings import RecordedRound, RoundSettings, from_columns, to_columns

TASK, QUEUE = "gradient", "gradients"
"""The name of the task that computes a unit, and its queue (see `tasks/gradient.py`)."""


@dataclass(frozen=True)
class Round:
    """An open round's row. `deadline_in_s` is by the server's clock; negative when it has passed."""

    round: int
    weights_version: int  # the version that its units compute at
    quorum: int
    deadline_in_s: float | None
    settings: RoundSettings | None  # chosen for this round, with `strategy.per_class`


@dataclass(frozen=True)
class Unit:
    """A unit's row."""

    unit: int
    slice: Slice
    job_id: int
    attempt: int
    refused_from: list[int]
    skipped: bool  # set aside, since no worker can compute it


@dataclass(frozen=True)
class LostUnit:
    """An open unit without a result that will not get one: its job will never run again, or the unit is poison."""

    unit: int
    job_id: int
    poison: bool  # its job failed, or it raised errors on three workers (on each one, where fewer are present)
    reason: str  # the last traceback, if it is poison


def open_round(
    conn: Connection,
    run_id: int,
    round_: int,
    slices: Mapping[int, Slice],
    job_ids: Sequence[int],
    *,
    weights_version: int,
    quorum: int,
    deadline_s: float | None,
    settings: RoundSettings | None = None,
) -> None:
    """Insert the round and its units, one for each slice (by unit) and job; part of the caller's transaction."""
    execute(
        conn,
        "insert_round",
        run_id=run_id,
        round=round_,
        weights_version=weights_version,
        quorum=quorum,
        deadline_s=deadline_s,
        **to_columns(settings),
    )
    execute(
        conn,
        "insert_units",
        run_id=run_id,
        round=round_,
        units=list(slices),
        epochs=[one.epoch for one in slices.values()],
        starts=[one.start for one in slices.values()],
        counts=[one.num_images for one in slices.values()],
        job_ids=list(job_ids),
    )


def replace_jobs(conn: Connection, run_id: int, round_: int, units: Sequence[int], job_ids: Sequence[int]) -> None:
    """Give open units new jobs; part of the caller's transaction."""
    execute(conn, "replace_jobs", run_id=run_id, round=round_, units=list(units), job_ids=list(job_ids))


def skip_unit(conn: Connection, run_id: int, round_: int, unit: int, reason: str) -> None:
    """Set aside a unit that no worker can compute, with the reason."""
    execute(conn, "skip_unit", run_id=run_id, round=round_, unit=unit, reason=reason)


def rebase_round(conn: Connection, run_id: int, round_: int, weights_version: int) -> None:
    """Change the version that an open round's units compute at, and lock its row; part of the caller's transaction."""
    execute(conn, "rebase_round", run_id=run_id, round=round_, weights_version=weights_version)


def restart_deadline(conn: Connection, run_id: int, round_: int, deadline_s: float | None) -> None:
    """Set an open round's deadline anew, from now on; part of the caller's transaction."""
    execute(conn, "restart_deadline", run_id=run_id, round=round_, deadline_s=deadline_s)


def list_open_rounds(conn: Connection, run_id: int) -> list[Round]:
    """Return the run's open rounds, oldest first: one, or two with a pipeline, or none."""
    return [
        Round(row["round"], row["weights_version"], row["quorum"], row["deadline_in_s"], from_columns(row))
        for row in execute(conn, "open_rounds", run_id=run_id)
    ]


def get_open_round(conn: Connection, run_id: int) -> Round | None:
    """Return the run's open round, the older of two, or None."""
    return next(iter(list_open_rounds(conn, run_id)), None)


def settings_of(conn: Connection, run_id: int, round_: int) -> RoundSettings | None:
    """Return the settings in a round's row; None if it has none, or is not there."""
    row = execute(conn, "round_settings", run_id=run_id, round=round_).fetchone()
    return from_columns(row) if row else None


def class_now(conn: Connection, run_id: int, round_: int, silent_s: float) -> tuple[int, RoundSettings | None]:
    """Return the number of workers that would compute a run's units now, and the settings of the round before.

    Args:
        conn: a connection.
        run_id: the run.
        round_: the round to be opened.
        silent_s: a worker without a heartbeat for this time is not present.
    """
    refused = Jsonb({"run": run_id})
    row = execute(conn, "count_present", silent_s=silent_s, refused=refused).fetchone()
    return int(row["num"]) if row else 0, settings_of(conn, run_id, round_ - 1)


def recorded_schedule(conn: Connection, run_id: int) -> list[RecordedRound]:
    """Return a run's closed rounds in order, with their settings and accepted slices.

    Raises:
        RunError: if a round has no accepted result: the run went back, and went on with older weights.
    """
    found: dict[int, RecordedRound] = {}
    for row in execute(conn, "recorded_schedule", run_id=run_id):
        this = found.setdefault(row["round"], RecordedRound(from_columns(row), {}))
        if row["unit"] is None:
            raise RunError(
                f"Run {run_id} went back to an earlier version in round {row['round']}, since its model had diverged: "
                "`ganns solo` cannot repeat that. Compare a run that did not."
            )
        this.slices[row["unit"]] = Slice(row["epoch"], row["start"], row["images"])
    return list(found.values())


def list_units(conn: Connection, run_id: int, round_: int) -> list[Unit]:
    """Return a round's units in order."""
    return [
        Unit(
            row["unit"],
            Slice(row["epoch"], row["start"], row["count"]),
            row["job_id"],
            row["attempt"],
            row["refused_from"],
            row["skipped"],
        )
        for row in execute(conn, "list_units", run_id=run_id, round=round_)
    ]


def lock_round(conn: Connection, run_id: int, round_: int) -> bool:
    """Lock the round's row for closing; return False if it is closed already."""
    return execute(conn, "lock_round", run_id=run_id, round=round_).fetchone() is not None


def close_round(conn: Connection, run_id: int, round_: int) -> None:
    """Mark the round closed."""
    execute(conn, "close_round", run_id=run_id, round=round_)


def lost_units(conn: Connection, run_id: int, round_: int, silent_s: float) -> list[LostUnit]:
    """Return the open units without a result that will not get one.

    Args:
        conn: a connection.
        run_id: the run.
        round_: an open round.
        silent_s: a worker without a heartbeat for this time is not present.
    """
    refused = Jsonb({"run": run_id})
    found = execute(conn, "lost_units", run_id=run_id, round=round_, silent_s=silent_s, refused=refused)
    return [LostUnit(**row) for row in found]


def revoke_left_over(conn: Connection, run_id: int) -> None:
    """Revoke jobs of closed rounds that a transaction had locked when their round closed."""
    execute(conn, "revoke_left_over", run_id=run_id)


def forget_rounds(conn: Connection, run_id: int, before_round: int) -> None:
    """Delete finished jobs, and units of closed rounds before `before_round`."""
    execute(conn, "delete_finished_jobs", run_id=run_id)
    execute(conn, "delete_old_units", run_id=run_id, before_round=before_round)
