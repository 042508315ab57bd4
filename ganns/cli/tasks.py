"""`ganns tasks`: show and control running and waiting tasks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ganns.db.connect import Connection

HOW_TO_JOIN = "start one with the line that `ganns train` or `ganns db serve` printed."

app = typer.Typer(help="The task queue: what runs, what waits, who works; and control.", no_args_is_help=True)


@app.command()
def active() -> None:
    """Show the running tasks."""
    from ganns.queue import commands

    with _connection() as conn:
        _table(commands.active(conn), "No task is running.")


@app.command()
def queued() -> None:
    """Show how many tasks wait, by queue; `num_later` of them for a time that was set."""
    from ganns.queue import commands

    with _connection() as conn:
        _table(commands.queued(conn), "No task is waiting.")


@app.command()
def workers() -> None:
    """Show the workers, what they can do, and how long each has been silent."""
    from ganns.queue import commands

    with _connection() as conn:
        _table(commands.workers(conn), f"No worker is connected; {HOW_TO_JOIN}")


@app.command()
def stats() -> None:
    """Show how many jobs there are of each task, by state."""
    from ganns.queue import commands

    with _connection() as conn:
        _table(commands.stats(conn), "There are no tasks.")


@app.command()
def ping() -> None:
    """Say which workers have a recent heartbeat; exit with 1 if none has."""
    from ganns.queue import commands

    with _connection() as conn:
        answers = commands.ping(conn)
    for worker, alive in answers.items():
        typer.echo(f"worker {worker}: {'pong' if alive else 'silent'}")
    if not any(answers.values()):
        typer.echo(f"No worker answers; {HOW_TO_JOIN}")
        raise typer.Exit(1)


@app.command()
def revoke(
    jobs: Annotated[list[int], typer.Argument(help="The jobs' numbers, as `ganns tasks active` shows them.")],
    terminate: Annotated[bool, typer.Option(help="Kill the processes of running ones.")] = False,
) -> None:
    """Cancel tasks: waiting ones will not run, running ones are asked to stop."""
    from ganns.queue import commands

    with _connection() as conn:
        num = commands.revoke(jobs, terminate=terminate, connection=conn)
    typer.echo(f"Revoked {num} of {len(jobs)}; the others had ended.")


@app.command()
def retry(
    jobs: Annotated[list[int], typer.Argument(help="The jobs' numbers; they failed, or were revoked.")],
) -> None:
    """Run tasks again that failed or were revoked; their old results are deleted."""
    from ganns.queue import commands

    with _connection() as conn:
        answers = commands.retry(jobs, connection=conn)
    for job, why_not in answers.items():
        typer.echo(f"job {job}: {'queued again' if why_not is None else f'not queued, because {why_not}'}")
    if None not in answers.values():
        raise typer.Exit(1)


@app.command()
def drain(
    worker: Annotated[str, typer.Argument(help="A worker's number or name.")],
    undo: Annotated[bool, typer.Option("--undo", help="Let it take tasks again.")] = False,
) -> None:
    """Let a worker take nothing new, so that it can be switched off when it is done."""
    from ganns.errors import TaskUsageError
    from ganns.queue import commands

    with _connection() as conn:
        numbers = commands.drain(worker, draining=not undo, connection=conn)
    if not numbers:
        raise TaskUsageError(f"There is no worker {worker!r}: `ganns tasks workers` lists them.")
    typer.echo(f"{'Takes tasks again' if undo else 'Draining'}: worker {', '.join(map(str, numbers))}.")


@app.command()
def pause(queue: Annotated[str, typer.Argument(help="The queue's name, as `ganns tasks queued` shows it.")]) -> None:
    """Start no task of a queue any more; running ones end."""
    from ganns.queue import commands

    with _connection() as conn:
        commands.pause(queue, connection=conn)
    typer.echo(f"Paused {queue}; `ganns tasks resume {queue}` opens it again.")


@app.command()
def resume(queue: Annotated[str, typer.Argument(help="The queue's name.")]) -> None:
    """Open a paused queue again."""
    from ganns.queue import commands

    with _connection() as conn:
        commands.resume(queue, connection=conn)
    typer.echo(f"Resumed {queue}.")


@app.command()
def rescue() -> None:
    """Give the tasks of dead workers to others, enforce deadlines, and tidy up, until Ctrl-C.

    The coordinator does so too; one of them works at a time, and another takes over when it stops.
    """
    import threading

    from ganns.db.choose import any_database
    from ganns.queue import rescue as loop

    stop = threading.Event()
    with any_database(create=False) as address:
        loop.run(address, stop, typer.echo)


@contextmanager
def _connection() -> Iterator[Connection]:
    from ganns.db.choose import any_database
    from ganns.db.connect import connect
    from ganns.db.migrate import require_current

    with any_database(create=False) as address, connect(address, application="ganns tasks") as conn:
        require_current(conn)
        yield conn


def _table(rows: Sequence[dict[str, Any]], nothing: str) -> None:
    """Print rows under their column names: plain text that can be piped."""
    if not rows:
        typer.echo(nothing)
        return
    texts = [list(rows[0]), *[[_text(value) for value in row.values()] for row in rows]]
    widths = [max(len(line[column]) for line in texts) for column in range(len(texts[0]))]
    for line in texts:
        typer.echo("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.1f}"
    if isinstance(value, list):
        return ",".join(map(str, value)) or "-"
    return "-" if value in (None, "") else str(value)
