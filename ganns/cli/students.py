"""`ganns students`: a login for each student, and the line with which the student joins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ganns.cli.places import user_path
from ganns.utils.console import Json, say, say_json

if TYPE_CHECKING:
    from ganns.db.address import Address
    from ganns.db.connect import Connection
    from ganns.store.students import NewLogin

app = typer.Typer(help="A login for each student: add, list, change the password, throw out.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The student's name or login.")]
Workers = Annotated[int, typer.Option("--workers", min=1, max=100, help="Workers that each may run at a time.")]


@app.command()
def add(
    names: Annotated[list[str], typer.Argument(help="The students' names.")],
    workers: Workers = 4,
    as_json: Json = False,
) -> None:
    """Create a login for each student, and print the line with which the student joins. It is shown only now."""
    from ganns.store import students

    students.check_labels(names)
    with _database() as (address, conn):
        students.check_free(conn, names)
        _hand_out(address, conn, (students.add(conn, name, max_workers=workers) for name in names), as_json)


@app.command("import")
def import_(
    roster: Annotated[
        Path, typer.Argument(help="A CSV file: a column `student`, or one name a line.", parser=user_path)
    ],
    workers: Workers = 4,
    as_json: Json = False,
) -> None:
    """Create a login for each student of a file. Those who have one keep it."""
    from ganns.store import students

    names = students.read_roster(roster)
    with _database() as (address, conn):
        new = [name for name in names if students.find(conn, name) is None]
        if len(new) < len(names):
            say(f"{len(names) - len(new)} of {len(names)} have a login already", err=True)
        _hand_out(address, conn, (students.add(conn, name, max_workers=workers) for name in new), as_json)


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Show the students, their live workers and their credit."""
    from rich.table import Table

    from ganns.store.students import list_students
    from ganns.utils.console import cells, wide_console

    with _database() as (_, conn):
        rows = list_students(conn)
    if as_json:
        say_json(rows)
        return
    if not rows:
        say("No student has a login yet: `ganns students add NAME` creates one.")
        return
    table = Table("student", "login", "state", "workers", "units", "images", "since")
    for row in rows:
        state = "revoked" if row["revoked"] else "working" if row["workers"] else "away"
        numbers = (row["workers"], f"{row['units']:,}", f"{row['images']:,}", f"{row['created_at']:%Y-%m-%d}")
        table.add_row(*cells(row["label"], row["login"], state, *numbers))
    wide_console().print(table)


@app.command()
def rotate(name: Name, as_json: Json = False) -> None:
    """Give a student a new password, which ends the sessions with the old one. A revoked student may come again."""
    from ganns.store import students

    with _database() as (address, conn):
        _hand_out(address, conn, iter([students.rotate(conn, name)]), as_json)


@app.command()
def revoke(name: Name) -> None:
    """Throw a student out at once; others compute what the student's workers held. `rotate` takes it back."""
    from ganns.store import students

    _throw_out(name, students.revoke, "may not come any more")


@app.command()
def remove(name: Name) -> None:
    """Revoke a student's login and delete it. The credit stays."""
    from ganns.store import students

    _throw_out(name, students.remove, "is removed")


def _throw_out(name: str, function: Callable[[Connection, str], tuple[int, int]], what: str) -> None:
    with _database() as (_, conn):
        num_sessions, num_jobs = function(conn, name)
    say(f"{name} {what}: {num_sessions} session(s) ended, {num_jobs} job(s) given to others")


def _hand_out(address: Address, conn: Connection, logins: Iterator[NewLogin], as_json: bool) -> None:
    """Print each login's line as soon as the login is there: after an error, those before it are known."""
    shown: list[dict[str, Any]] = []
    try:
        for one in logins:
            line = line_for(address, conn, one)
            shown.append({"student": one.label, "login": one.login, "line": line})
            if not as_json:
                say(f"{one.label} (login {one.login})\n{_how(line)}\n")
    finally:
        if as_json:
            say_json(shown)
    if shown and not as_json:
        say("Each line contains the student's own password, and is shown only now: give each to its student alone.")
        say(_hint(address), err=True)


def line_for(address: Address, conn: Connection, one: NewLogin) -> str:
    """Return the address with which a student joins, password included."""
    from ganns.db.invitation import for_others, join_url
    from ganns.db.server.embedded import embedded_server
    from ganns.db.server.opened import address_for

    if address.source.startswith("the embedded"):
        return address_for(embedded_server().data_dir, one.login, one.password).conninfo
    parameters = conn.info.get_parameters()
    hosts = parameters.get("host") or parameters.get("hostaddr") or "HOST"
    certificate, more = for_others(parameters)
    return join_url(
        one.login,
        one.password,
        host="HOST" if hosts.startswith("/") else hosts,  # a socket of this machine; people must write its name
        port=int(parameters.get("port") or 5432),
        database=parameters.get("dbname") or "",
        certificate=certificate,
        more=more,
    )


def _how(line: str) -> str:
    return (
        f"  {line}\n"
        "  on a computer: type `ganns join`, paste this address when it asks (it is not shown), then `ganns worker`\n"
        "  in Colab: the address as a secret named GANNS_DATABASE_URL, then the cell of notebooks/join_colab.ipynb"
    )


def _hint(address: Address) -> str:
    if not address.source.startswith("the embedded"):
        return "`ganns db audit` lists what these logins could do on this server beside their work."
    return "The lines work while `ganns db serve` runs; check that HOST:PORT is how others reach this machine."


@contextmanager
def _database() -> Iterator[tuple[Address, Connection]]:
    """Yield the database, with a current schema, and a connection to it; an error of the server becomes one of ours."""
    import psycopg

    from ganns.db.choose import coordinator_database
    from ganns.db.connect import connect
    from ganns.db.migrate import require_current
    from ganns.errors import DatabaseError

    with coordinator_database() as address, connect(address, application="ganns students") as conn:
        require_current(conn)
        try:
            yield address, conn
        except psycopg.Error as error:
            # Not chained: the statement that failed may be one with a password's verifier.
            reason = getattr(error, "diag", None) and error.diag.message_primary
            raise DatabaseError(
                f"The database {address} refused: {reason or type(error).__name__}. It needs the login of the "
                "database's owner: see `ganns db status`."
            ) from None
