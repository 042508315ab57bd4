"""Commands to a run while it is trained: pause, resume, stop, set the quorum.

A command is stored in the run's row. The coordinator locks and reads the row in the transaction that would open the
next round; so when `pause` has returned, no round is opened any more. The table `ganns.controls` records each
command with its author and time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ganns.config import from_dict
from ganns.db.connect import Connection
from ganns.db.queries import execute
from ganns.errors import RunError
from ganns.store.lease import myself
from ganns.training.plan import slice_bounds


def pause(conn: Connection, run_id: int, by: str) -> bool:
    """Open no further round. The open round is collected and closed as always; nothing is lost.

    Args:
        conn: a connection.
        run_id: the run.
        by: the name of the person, which others can read.

    Returns:
        Whether the run has a coordinator; else the next one carries the command out.

    Raises:
        RunError: there is no such run, it has ended, or it is paused already.
    """
    with conn.transaction():
        found = _lock(conn, run_id)
        if found["wanted"] == "pause":
            raise RunError(
                f"Run {run_id} is paused already, by {asked_by(conn, run_id, 'pause')}; "
                f"`ganns runs resume {run_id}` continues it."
            )
        return _want(conn, run_id, "pause", by, found)


def resume(conn: Connection, run_id: int, by: str) -> bool:
    """Resume a paused run, or cancel a stop that has not happened yet; see `pause`.

    Raises:
        RunError: there is no such run, it has ended, it is not paused, or its coordinator has left.
    """
    with conn.transaction():
        found = _lock(conn, run_id)
        if not found["coordinated"] and found["wanted"] != "pause":
            raise RunError(f"Run {run_id} has no coordinator: start one with `ganns train resume={run_id}`.")
        if found["wanted"] == "run":
            raise RunError(f"Run {run_id} is not paused; `ganns runs pause {run_id}` would pause it.")
        return _want(conn, run_id, "run", by, found)


def stop(conn: Connection, run_id: int, by: str) -> bool:
    """End the coordinator after the open round, with a checkpoint; the run can be resumed. See `pause`.

    Raises:
        RunError: there is no such run, it has ended, or is being stopped already.
    """
    with conn.transaction():
        found = _lock(conn, run_id)
        if found["wanted"] == "stop":
            raise RunError(
                f"Run {run_id} was stopped already, by {asked_by(conn, run_id, 'stop')}; "
                f"`ganns train resume={run_id}` continues it."
            )
        return _want(conn, run_id, "stop", by, found)


def set_quorum(conn: Connection, run_id: int, units: int | None, by: str) -> bool:
    """Set the quorum from the next round on; the number of spares stays as configured. See `pause`.

    Args:
        conn: a connection.
        run_id: the run.
        units: from 1 to the units of an epoch; None for `quorum.units` as configured.
        by: the name of the person.

    Raises:
        RunError: there is no such run, it has ended, or the number is out of range.
    """
    with conn.transaction():
        found = _lock(conn, run_id)
        config = from_dict(found["config"])
        most = max(len(slice_bounds(found["num_images"], config.strategy.unit_images)), config.quorum.units)
        if units is not None and not 1 <= units <= most:
            raise RunError(
                f"A quorum of {units} is out of range for run {run_id}: give a number from 1 to {most} (an epoch's "
                f"units), or `ganns runs quorum {run_id} default`."
            )
        execute(conn, "set_wanted_units", run_id=run_id, units=units)
        _note(conn, run_id, "quorum", units, by)
        return bool(found["coordinated"])


def begin(conn: Connection, run_id: int, *, new_quorum: bool) -> None:
    """Cancel a stop, since a coordinator was started, and with `new_quorum` a quorum that was set before."""
    with conn.transaction():
        found = execute(conn, "lock_wish", run_id=run_id).fetchone() or {}
        if found.get("wanted") == "stop":
            execute(conn, "set_wanted", run_id=run_id, wanted="run")
            _note(conn, run_id, "resume", None, myself())
        if new_quorum and found.get("wanted_units") is not None:
            execute(conn, "set_wanted_units", run_id=run_id, units=None)
            _note(conn, run_id, "quorum", None, myself())


def list_controls(conn: Connection, run_id: int) -> list[dict[str, Any]]:
    """Return {number, what, units, asked_by, at} of each command to the run, oldest first."""
    return execute(conn, "list_controls", run_id=run_id).fetchall()


def may_control(conn: Connection) -> bool:
    """Tell whether this connection's login may give commands to runs and drain workers."""
    row = execute(conn, "may_control").fetchone()
    return bool(row and row["may"])


def asked_by(conn: Connection, run_id: int, *what: str) -> str:
    """Return the author of the last of these commands: "pause", "resume", "stop", "quorum"."""
    row = execute(conn, "last_control", run_id=run_id, what=list(what)).fetchone()
    return str(row["asked_by"]) if row else "an unknown user"


def shown_state(row: Mapping[str, Any]) -> str:
    """Return the state of a row of `list_runs` in a word or two: "open", "pausing", "paused", "stopping", ..."""
    if row["state"] != "open":
        return str(row["state"])
    if not row["coordinated"]:
        return f"{ {'run': 'open', 'pause': 'paused', 'stop': 'stopped'}[row['wanted']] } (resumable)"
    return {"run": "open", "pause": "pausing" if row["in_round"] else "paused", "stop": "stopping"}[row["wanted"]]


def _lock(conn: Connection, run_id: int) -> dict[str, Any]:
    """Lock an open run's row until the end of the transaction, and return its command.

    Raises:
        RunError: there is no such run, or it has ended.
    """
    row = execute(conn, "lock_wish", run_id=run_id).fetchone()
    if row is None:
        raise RunError(f"There is no run {run_id} in this database; `ganns runs` lists the runs.")
    if row["state"] == "finished":
        raise RunError(
            f"Run {run_id} is finished: there is nothing left to steer. `ganns train resume={run_id} stop.rounds=...` "
            "trains it longer."
        )
    if row["state"] != "open":
        raise RunError(
            f"Run {run_id} diverged: there is nothing left to steer. Start a new run with smaller learning rates."
        )
    return row


def _want(conn: Connection, run_id: int, wanted: str, by: str, found: Mapping[str, Any]) -> bool:
    execute(conn, "set_wanted", run_id=run_id, wanted=wanted)
    _note(conn, run_id, "resume" if wanted == "run" else wanted, None, by)
    return bool(found["coordinated"])


def _note(conn: Connection, run_id: int, what: str, units: int | None, by: str) -> None:
    execute(conn, "note_control", run_id=run_id, what=what, units=units, asked_by=by)
    execute(conn, "wake_coordinator", run_id=run_id)
