"""`ganns worker`: join a class."""

from __future__ import annotations

from typing import Annotated

import typer


def worker(
    num: Annotated[int, typer.Option("-n", "--num", min=1, help="The number of workers to start on this machine.")] = 1,
    name: Annotated[str, typer.Option(help="Your name, as the class sees it; default: user@host.")] = "",
    threads: Annotated[int, typer.Option(min=0, help="Threads of each worker; 0 divides the processors.")] = 0,
    app: Annotated[
        str | None, typer.Option(help="Your own tasks: the dotted path of their App, as my_tasks.app.")
    ] = None,
    queues: Annotated[str, typer.Option(help="Take tasks of these queues only: names with commas between them.")] = "",
) -> None:
    """Compute units for a class: needs only the database's address, of `ganns join` or in GANNS_DATABASE_URL.

    It waits for the server and for a run, and recovers when the server, the network or its own process fails.
    Ctrl-C once hands the current unit back and ends; Ctrl-C twice ends at once. With --app it runs your
    own tasks.
    """
    from ganns.db.address import require
    from ganns.worker.launch import run_workers

    raise typer.Exit(run_workers(require(), num, name=name, threads=threads, app=app, queues=queues))
