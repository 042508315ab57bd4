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
    from ganns.db.conninfo import understand
    from ganns.db.encryption import weakness
    from ganns.errors import DatabaseUnreachable, NoDatabaseAddress

    text = " ".join(line or []) or typer.prompt("The line that you were given (it is not shown)", hide_input=True)
    if not text.strip():
        raise NoDatabaseAddress("The line is empty: copy the whole line that you were given.")
    kept = _with_proof(understand(text, "given explicitly"))
    address = resolve(kept)
    assert address is not None
    path = joined.store(kept)
    say(f"Every command now uses {address} (kept in {path}, which only you can read). `ganns leave` forgets it.")
    first = resolve()
    if first is not None and first.source != joined.SOURCE:
        say(f"But not in this terminal: {first.source} names another one, {first}, and comes first.")
    if (weak := weakness(address.conninfo)) is not None:
        say(f"The connection {weak}.")
    try:
        connect(address).close()
    except DatabaseUnreachable as error:
        say(f"It does not answer now: {error}")
    else:
        say("It answers. To compute for the class: `ganns worker --name YOUR-NAME`")


def _with_proof(line: str) -> str:
    """Return the address of a provider's server with a check of its certificate, if it passes that check today."""
    from ganns.db.address import resolve
    from ganns.db.connect import connect
    from ganns.db.encryption import verified
    from ganns.errors import DatabaseUnreachable

    if (checked := verified(line)) is None:
        return line
    address = resolve(checked)
    assert address is not None
    try:
        connect(address).close()
    except DatabaseUnreachable:
        return line  # also if it does not answer at all: the command then says why
    return checked


def leave() -> None:
    """Forget the database of `ganns join`. A worker that runs goes on."""
    from ganns.db import joined

    say("Forgotten." if joined.forget() else "There was nothing to forget: `ganns join` was not used.")
