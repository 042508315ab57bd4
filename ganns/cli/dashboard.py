"""`ganns dashboard`: watch the runs in a browser."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from ganns.dashboard.reach import PORT
from ganns.utils.console import say

PASSWORD_VARIABLE = "GANNS_DASHBOARD_PASSWORD"
MIN_PASSWORD = 8


def dashboard(
    host: Annotated[str, typer.Option(help="The address to listen on; 0.0.0.0 lets other machines in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen on.")] = PORT,
    hostname: Annotated[
        list[str] | None, typer.Option(help="Another name for this machine, as behind a proxy; may be repeated.")
    ] = None,
    failure_lab: Annotated[
        bool, typer.Option("--failure-lab", help="Let the instructor start workers on this machine, and harm them.")
    ] = False,
    phones: Annotated[
        bool, typer.Option("--phones", help="Let phones that open /phone train a small GAN together, shown at /phones.")
    ] = False,
) -> None:
    """Show the runs, live, in a browser. The training goes on without it."""
    from ganns.db.choose import coordinator_database
    from ganns.db.connect import connect
    from ganns.db.migrate import require_current
    from ganns.errors import DashboardError
    from ganns.store.phones import may_keep
    from ganns.utils.installation import extra

    with extra("dashboard", "The dashboard"):
        import nicegui  # noqa: F401
    from ganns.dashboard.server import serve

    password, made = _password()

    with coordinator_database() as address:
        with connect(address) as conn:
            require_current(conn)
            if phones and not may_keep(conn):
                raise DashboardError(
                    "With --phones, the dashboard writes what phones compute, and this login may only read: start it "
                    "with the owner's address in GANNS_DATABASE_URL."
                )
        shown = "localhost" if host in ("127.0.0.1", "0.0.0.0") else host
        say(f"Watching {address}. Open http://{shown}:{port}/ in a browser; Ctrl-C ends it.")
        if phones:
            say(f"For the projector: http://{shown}:{port}/phones, with the code that phones scan.")
        if made:
            say(f"The instructor's password for /login is {password}, until the dashboard ends.")
        serve(
            address,
            host,
            port,
            password=password,
            hostnames=hostname or [],
            failure_lab=failure_lab,
            with_phones=phones,
        )


def _password() -> tuple[str, bool]:
    """Return the instructor's password, and whether it was generated now. Child processes do not inherit it.

    Raises:
        DashboardError: if it is too short to be exposed.
    """
    from ganns.dashboard.security.instructor import make_password
    from ganns.errors import DashboardError

    password = os.environ.pop(PASSWORD_VARIABLE, "")
    if not password:
        return make_password(), True
    if len(password) < MIN_PASSWORD:
        raise DashboardError(
            f"The password in {PASSWORD_VARIABLE} has {len(password)} characters: use at least {MIN_PASSWORD}, or "
            "unset it, and the dashboard generates one."
        )
    return password, False
