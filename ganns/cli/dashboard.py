"""`ganns dashboard`: watch the runs in a browser."""

from __future__ import annotations

from typing import Annotated

import typer


def dashboard(
    host: Annotated[str, typer.Option(help="The address to listen on; 0.0.0.0 lets other machines in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen on.")] = 8080,
) -> None:
    """Show the runs, live, in a browser; the training does not need it."""
    from ganns.db.choose import coordinator_database
    from ganns.db.connect import connect
    from ganns.db.migrate import require_current
    from ganns.extras import extra

    with extra("dashboard", "The dashboard"):
        import nicegui  # noqa: F401
    from ganns.dashboard.server import serve

    with coordinator_database() as address:
        with connect(address) as conn:
            require_current(conn)
        shown = "localhost" if host in ("127.0.0.1", "0.0.0.0") else host
        typer.echo(f"Watching {address}. Open http://{shown}:{port}/ in a browser; Ctrl-C ends it.")
        serve(address, host, port)
