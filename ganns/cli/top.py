"""`ganns top`: watch the runs in a terminal."""

from __future__ import annotations

from typing import Annotated

import typer


def top(
    run: Annotated[int | None, typer.Option(help="The run's number; default: the run that is being trained.")] = None,
    once: Annotated[bool, typer.Option("--once", help="Print the present state once, as in a pipe.")] = False,
) -> None:
    """Show a run, live, in the terminal: speed, losses, the open round, the workers. Press q to quit."""
    import sys

    from ganns.db.choose import coordinator_database
    from ganns.db.connect import connect
    from ganns.db.migrate import require_current
    from ganns.top.terminal import show
    from ganns.utils.console import SafeConsole
    from ganns.utils.signals import stop_on_signals

    console = SafeConsole()
    once = once or not sys.stdout.isatty() or console.is_dumb_terminal
    with stop_on_signals() as stop, coordinator_database() as address:
        with connect(address) as conn:
            require_current(conn)
        show(address, run, console, stop, once=once)
