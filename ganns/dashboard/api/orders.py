"""The instructor's orders: plain POST requests below `/control`, which answer in words.

The dashboard reads as a role that may not write. An order opens a connection with the dashboard's own login.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Annotated, Any

import psycopg
from fastapi import Body, HTTPException, Path
from nicegui import app
from psycopg_pool import PoolTimeout

from ganns.dashboard.api import Number
from ganns.dashboard.context import Dashboard
from ganns.dashboard.security.instructor import Ordering, Watching
from ganns.db.connect import Connection
from ganns.errors import DatabaseUnreachable, RunError
from ganns.queue.commands import drain
from ganns.store import control

ME = "the instructor, on the dashboard"
ORDERS: dict[str, tuple[Callable[[Connection, int, str], bool], str]] = {
    "pause": (control.pause, "Run {run} pauses as soon as its open round is complete."),
    "resume": (control.resume, "Run {run} continues."),
    "stop": (
        control.stop,
        "Run {run} stops as soon as its open round is complete. To continue it: ganns train resume={run}",
    ),
}
MAY_ONLY_READ = (
    "The dashboard's database login may only read, so nothing was changed. To give orders here, start the dashboard "
    "with the owner's address in GANNS_DATABASE_URL; or use a terminal: ganns runs --help"
)
log = logging.getLogger(__name__)

Units = Annotated[int | None, Body(embed=True, ge=1, le=10_000)]
Name = Annotated[str, Body(embed=True, min_length=1, max_length=500, pattern=r"^[^\x00]+$")]
Draining = Annotated[bool, Body(embed=True)]


def register(dashboard: Dashboard) -> None:
    """Accept orders."""

    async def give(order: Callable[..., Any], *args: Any) -> Any:
        try:
            return await dashboard.write(order, *args)
        except RunError as error:
            raise HTTPException(409, str(error)) from None
        except (psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction):
            raise HTTPException(403, MAY_ONLY_READ) from None
        except (psycopg.Error, DatabaseUnreachable) as error:
            log.warning("An order failed: %s", type(error).__name__)
            raise HTTPException(503, "The database does not answer, so nothing was changed. Try again.") from None

    @app.post("/control/runs/{run}/quorum")
    async def quorum(run: Number, units: Units, _: Ordering) -> dict[str, str]:
        coordinated = await give(control.set_quorum, run, units, ME)
        waits = "its configured quorum again" if units is None else f"{units} results"
        return {"text": f"From its next round on, run {run} waits for {waits}.{_uncoordinated(run, coordinated)}"}

    @app.post("/control/runs/{run}/{what}")
    async def order(
        run: Number, what: Annotated[str, Path(pattern="^(pause|resume|stop)$")], _: Ordering
    ) -> dict[str, str]:
        function, words = ORDERS[what]
        coordinated = await give(function, run, ME)
        return {"text": words.format(run=run) + _uncoordinated(run, coordinated)}

    @app.post("/control/workers")
    async def worker(name: Name, draining: Draining, _: Ordering) -> dict[str, str]:
        found = await give(_drain, name, draining)
        if not found:
            raise HTTPException(409, f"There is no worker named {name}.")
        now = "takes no new unit; you can switch it off when it is done" if draining else "takes units again"
        return {"text": f"{name} {now}."}

    @app.get("/control/runs/{run}")
    async def asked(run: Number, _: Watching) -> list[dict[str, Any]]:
        try:
            rows = await dashboard.read(control.list_controls, run)
        except (psycopg.Error, PoolTimeout):
            raise HTTPException(503, "The database does not answer.") from None
        return [row | {"at": row["at"].timestamp()} for row in reversed(rows[-8:])]


async def may_order(dashboard: Dashboard) -> bool:
    """Return whether the dashboard's own login may change runs; True if the database does not answer."""
    try:
        return await dashboard.write(control.may_control)
    except (psycopg.Error, DatabaseUnreachable):
        return True


def _drain(conn: Connection, name: str, draining: bool) -> list[int]:
    return drain(name, draining=draining, connection=conn)


def _uncoordinated(run: int, coordinated: bool) -> str:
    return "" if coordinated else f" No coordinator trains it now. To start one: ganns train resume={run}"
