"""`ganns join` and `ganns leave`: remember the class's database, and forget it."""

from __future__ import annotations

from typing import Annotated

import typer

from ganns.utils.console import say


def join(
    line: Annotated[
        list[str] | None,
        typer.Argument(help="The line that you were given; without it, it is asked for and not shown."),
    ] = None,
) -> None:
    """Remember a class's database, so that every command on this machine uses it. Tries it, too."""
    from ganns.db import joined
    from ganns.db.address import resolve
    from ganns.db.connect import connect
    from ganns.errors import DatabaseUnreachable, NoDatabaseAddress

    text = " ".join(line or []) or typer.prompt("The line that you were given (it is not shown)", hide_input=True)
    address = resolve(text)
    if address is None:
        raise NoDatabaseAddress("The line is empty: copy the whole line that you were given.")
    path = joined.store(address.conninfo)
    say(f"Every command now uses {address} (kept in {path}, which only you can read). `ganns leave` forgets it.")
    first = resolve()
    if first is not None and first.source != joined.SOURCE:
        say(f"But not in this terminal: {first.source} names another one, {first}, and comes first.")
    try:
        connect(address).close()
    except DatabaseUnreachable as error:
        say(f"It does not answer now: {error}")
    else:
        say("It answers. To compute for the class: `ganns worker --name YOUR-NAME`")


def leave() -> None:
    """Forget the database of `ganns join`. A worker that runs goes on."""
    from ganns.db import joined

    say("Forgotten." if joined.forget() else "There was nothing to forget: `ganns join` was not used.")
