"""`ganns tasks`: show and control running and waiting tasks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ganns.utils.console import Json, say, say_json
from ganns.utils.printable import printable

if TYPE_CHECKING:
    from ganns.db.connect import Connection

HOW_TO_JOIN = "start one with the line that `ganns train` or `ganns db serve` printed."

app = typer.Typer(help="The task queue: list its tasks and workers, and control them.", no_args_is_help=True)


@app.command()
def active(as_json: Json = False) -> None:
    """Show the running tasks."""
    _show("active", "No task is running.", as_json)


@app.command()
def queued(as_json: Json = False) -> None:
    """Count the waiting tasks by queue; `num_later` of them wait for a set time."""
    _show("queued", "No task is waiting.", as_json)


@app.command()
def workers(as_json: Json = False) -> None:
    """Show the workers, their abilities, and the seconds since each last heartbeat."""
    _show("workers", f"No worker is connected; {HOW_TO_JOIN}", as_json)


@app.command()
def stats(as_json: Json = False) -> None:
    """Count the jobs of each task by state."""
    _show("stats", "There are no tasks.", as_json)


@app.command()
def ping(as_json: Json = False) -> None:
    """Show which workers have a recent heartbeat; exit with 1 if none has."""
    from ganns.queue import commands

    with _connection() as conn:
        answers = commands.ping(conn)
    if as_json:
        say_json([{"worker": worker, "alive": alive} for worker, alive in answers.items()])
        raise typer.Exit(0 if any(answers.values()) else 1)
    for worker, alive in answers.items():
        say(f"worker {worker}: {'pong' if alive else 'silent'}")
    if not any(answers.values()):
        say(f"No worker answers; {HOW_TO_JOIN}")
        raise typer.Exit(1)


@app.command()
def revoke(
    jobs: Annotated[list[int], typer.Argument(help="The jobs' numbers, as `ganns tasks active` shows them.")],
    terminate: Annotated[bool, typer.Option(help="Kill the processes that run them.")] = False,
) -> None:
    """Cancel tasks: waiting ones will not run, running ones are asked to stop."""
    from ganns.queue import commands

    with _connection() as conn:
        num = commands.revoke(jobs, terminate=terminate, connection=conn)
    say(f"Revoked {num} of {len(jobs)}; the others had ended.")


@app.command()
def retry(
    jobs: Annotated[list[int], typer.Argument(help="The jobs' numbers; they failed, or were revoked.")],
) -> None:
    """Run tasks again that failed or were revoked; their old results are deleted."""
    from ganns.queue import commands

    with _connection() as conn:
        answers = commands.retry(jobs, connection=conn)
    for job, why_not in answers.items():
        say(f"job {job}: {'queued again' if why_not is None else f'not queued, because {why_not}'}")
    if None not in answers.values():
        raise typer.Exit(1)


@app.command()
def drain(
    worker: Annotated[str, typer.Argument(help="A worker's number or name.")],
    undo: Annotated[bool, typer.Option("--undo", help="Let it take tasks again.")] = False,
) -> None:
    """Give a worker no new tasks, so that it can be switched off after its current one."""
    from ganns.errors import TaskUsageError
    from ganns.queue import commands

    with _connection() as conn:
        numbers = commands.drain(worker, draining=not undo, connection=conn)
    if not numbers:
        raise TaskUsageError(f"There is no worker {worker!r}: `ganns tasks workers` lists them.")
    say(f"{'Takes tasks again' if undo else 'Draining'}: worker {', '.join(map(str, numbers))}.")


@app.command()
def pause(queue: Annotated[str, typer.Argument(help="The queue's name, as `ganns tasks queued` shows it.")]) -> None:
    """Stop starting tasks of a queue; running tasks finish."""
    from ganns.queue import commands

    with _connection() as conn:
        commands.pause(queue, connection=conn)
    say(f"Paused {queue}; `ganns tasks resume {queue}` opens it again.")


@app.command()
def resume(queue: Annotated[str, typer.Argument(help="The queue's name.")]) -> None:
    """Open a paused queue again."""
    from ganns.queue import commands

    with _connection() as conn:
        commands.resume(queue, connection=conn)
    say(f"Resumed {queue}.")


@app.command()
def rescue() -> None:
    """Requeue the tasks of dead workers, enforce deadlines, and delete old jobs, until Ctrl-C.

    The coordinator does this too. Only one process does it at a time; another takes over when that one stops.
    """
    import threading

    from ganns.db.choose import any_database
    from ganns.queue import rescue as loop

    stop = threading.Event()
    with any_database(create=False) as address:
        loop.run(address, stop, say)


@contextmanager
def _connection() -> Iterator[Connection]:
    from ganns.db.choose import any_database
    from ganns.db.connect import connect
    from ganns.db.migrate import require_current

    with any_database(create=False) as address, connect(address, application="ganns tasks") as conn:
        require_current(conn)
        yield conn


def _show(function: str, nothing: str, as_json: bool) -> None:
    """Print the rows of a function of `ganns.queue.commands` under their column names, or as JSON."""
    from ganns.queue import commands

    with _connection() as conn:
        rows: Sequence[dict[str, Any]] = getattr(commands, function)(conn)
    if as_json:
        say_json(rows)
        return
    if not rows:
        say(nothing)
        return
    texts = [list(rows[0]), *[[_text(value) for value in row.values()] for row in rows]]
    widths = [max(len(line[column]) for line in texts) for column in range(len(texts[0]))]
    for line in texts:
        say("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.1f}"
    if isinstance(value, list):
        return printable(",".join(map(str, value)), 100) or "-"
    return "-" if value in (None, "") else printable(value, 100)
