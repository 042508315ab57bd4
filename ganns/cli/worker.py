"""`ganns worker`: join a class."""

from __future__ import annotations

from typing import Annotated

import typer


def worker(
    num: Annotated[int, typer.Option("-n", "--num", min=1, help="How many workers to start on this machine.")] = 1,
    name: Annotated[str, typer.Option(help="Your name, as the class sees it; default: user@host.")] = "",
    threads: Annotated[int, typer.Option(min=0, help="Threads of each; 0 shares the processors out.")] = 0,
    app: Annotated[str, typer.Option(help="Tasks of your own: the dotted path of their App, as my_tasks.app.")] = "",
    queues: Annotated[str, typer.Option(help="Take tasks of these queues only: names with commas between them.")] = "",
) -> None:
    """Compute units for a class: needs nothing but the database's address in GANNS_DATABASE_URL.

    It waits for the server and for a run, and goes on whatever happens to them, to the network or to itself.
    Ctrl-C once hands the unit in hand back and ends; Ctrl-C twice ends now. With --app it runs tasks of your own.
    """
    from ganns.db.address import require
    from ganns.worker.launch import run_workers

    raise typer.Exit(run_workers(require(), num, name=name, threads=threads, app=app, queues=queues))
