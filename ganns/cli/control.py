"""`ganns runs pause | resume | stop | quorum`: control a run during training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from ganns.utils.console import say

if TYPE_CHECKING:
    from ganns.db.connect import Connection

Which = Annotated[str, typer.Argument(help="The run's number, or latest.")]


def pause(run: Which) -> None:
    """Open no new round of a run until it is resumed; what is open is collected as always."""
    from ganns.store import control

    with _run(run) as (conn, run_id, me):
        coordinated = control.pause(conn, run_id, me)
    _answer(run_id, coordinated, f"run {run_id} pauses after what is open; `ganns runs resume {run_id}` lets it go on")


def resume(run: Which) -> None:
    """Let a paused run go on."""
    from ganns.store import control

    with _run(run) as (conn, run_id, me):
        coordinated = control.resume(conn, run_id, me)
    _answer(run_id, coordinated, f"run {run_id} goes on")


def stop(run: Which) -> None:
    """Let a run's coordinator end after what is open, as Ctrl-C does; the run can be resumed."""
    from ganns.store import control

    with _run(run) as (conn, run_id, me):
        coordinated = control.stop(conn, run_id, me)
    _answer(
        run_id, coordinated, f"run {run_id} stops after what is open; `ganns train resume={run_id}` goes on with it"
    )


def quorum(
    run: Which, units: Annotated[str, typer.Argument(help="How many results close a round; default: as configured.")]
) -> None:
    """Change how many results close a round of a run, from the next one that is opened."""
    from ganns.errors import RunError
    from ganns.store import control

    if units != "default" and not units.isdecimal():
        raise RunError(f"A quorum of {units!r} is not a number: type `ganns runs quorum {run} 3`, or `default`.")
    with _run(run) as (conn, run_id, me):
        number = None if units == "default" else int(units)
        coordinated = control.set_quorum(conn, run_id, number, me)
    now = "waits for its configured quorum again" if number is None else f"waits for {number} results a round"
    _answer(run_id, coordinated, f"run {run_id} {now}, from the next round that is opened")


@contextmanager
def _run(which: str) -> Iterator[tuple[Connection, int, str]]:
    """Yield a connection, the number of the run that was typed, and who typed it."""
    from ganns.db.choose import coordinator_database
    from ganns.db.connect import connect
    from ganns.db.migrate import require_current
    from ganns.store.lease import myself
    from ganns.store.runs import find_run

    with coordinator_database() as address, connect(address) as conn:
        require_current(conn)
        yield conn, find_run(conn, which).id, myself()


def _answer(run_id: int, coordinated: bool, text: str) -> None:
    say(text)
    if not coordinated:
        say(f"nobody coordinates it right now: `ganns train resume={run_id}`")
