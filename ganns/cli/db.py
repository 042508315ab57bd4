"""`ganns db`: create, inspect, empty, back up and open the database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ganns.cli.places import user_path
from ganns.utils.console import Json, say, say_json

if TYPE_CHECKING:
    from ganns.db.address import Address
    from ganns.db.connect import Connection

app = typer.Typer(help="The database: create, inspect, empty, back up, open to others.", no_args_is_help=True)


@app.command()
def init() -> None:
    """Create the database: an embedded PostgreSQL, or the tables in the one that the environment names.

    GANNS_DATABASE_URL or the PG* variables name one. Does nothing if the tables exist.
    """
    from ganns.db.address import resolve
    from ganns.db.server.embedded import embedded_server

    is_new = resolve() is None and not embedded_server().exists()
    with _database(create=True) as (address, conn):
        if is_new:
            say(f"Created {address.source}.")
        _migrate(address, conn)


@app.command()
def migrate() -> None:
    """Update the database's tables, which is safe at any time; restart the workers afterwards."""
    with _database() as (address, conn):
        _migrate(address, conn)


@app.command()
def status(as_json: Json = False) -> None:
    """Show the database's address, versions and size. Changes nothing."""
    from ganns.db import diagnostics
    from ganns.db import migrate as schema

    with _database() as (address, conn):
        found, server = schema.status(conn), diagnostics.describe(conn)
        largest = diagnostics.largest_tables(conn, 5)
        if as_json:
            known = {"address": str(address), "source": address.source, "server": server["server"]}
            known |= {"login": server["role"], "applied": found.applied, "pending": found.pending}
            known |= {"procrastinate": found.procrastinate, "size_bytes": server["size_bytes"]}
            say_json(known | {"largest_tables": [{"table": name, "size_bytes": size} for name, size in largest]})
            schema.require_current(conn)
            return
        tables = [f"{name} {_size(size)}" for name, size in largest]
        lines = {
            "address": f"{address} ({address.source})",
            "server": f"PostgreSQL {server['server']}, logged in as {server['role']}",
            "migrations": f"{_list(found.applied)} applied, {_list(found.pending)} pending",
            "procrastinate": found.procrastinate or "not installed",
            "size": _size(server["size_bytes"]),
            "largest tables": ", ".join(tables) or "none",
        }
        for name, value in lines.items():
            say(f"{name:<16}{value}")
        schema.require_current(conn)


@app.command()
def reset(yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Delete every run, result and credit, and leave a new, empty database. Asks first."""
    from ganns.db import migrate as schema

    with _database() as (address, conn):
        if not yes:
            say(f"This deletes all that GANNs with friends has in {address} ({address.source}):")
            say(f"  {_contents(conn)}")
            typer.confirm("Delete it?", abort=True)
        schema.reset(conn, say)
        say(f"{address} is empty, and ready for `ganns train`.")


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="The zip to write; it must not exist.", parser=user_path)],
    checkpoints: Annotated[
        bool, typer.Option("--checkpoints/--no-checkpoints", help="Include the states from which runs continue.")
    ] = True,
) -> None:
    """Write the runs, their credit, metrics and checkpoints into one file, also while runs go on."""
    from ganns.db.backup import backup

    with _database() as (address, conn):
        manifest = backup(conn, file, checkpoints=checkpoints)
        say(f"{address}: {_rows(manifest)} in {file} ({_size(file.stat().st_size)})")


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="The zip that `ganns db backup` wrote.", parser=user_path)],
) -> None:
    """Load a backup into an empty database. A damaged file changes nothing."""
    from ganns.db.backup import restore

    with _database() as (address, conn):
        manifest = restore(conn, file)
        say(f"{address}: restored {_rows(manifest)}; `ganns runs` lists the runs")


@app.command()
def audit(as_json: Json = False) -> None:
    """List what students' logins could do on this server beside their work, and the remedy for each."""
    from ganns.db.migrate import require_current
    from ganns.db.open_doors import audit

    with _database() as (_, conn):
        require_current(conn)
        doors = audit(conn)
    if as_json:
        say_json([{"kind": one.kind, "what": one.what, "said": one.said, "remedy": one.remedy} for one in doors])
        return
    for one in doors:
        say(f"- {one}")
    if not doors:
        say("Nothing is open: students' logins may do their work, and no more.")


@app.command()
def serve(
    host: Annotated[
        str, typer.Option(help="Listen on this address; 0.0.0.0 is every network of this machine.")
    ] = "0.0.0.0",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Listen on this port.")] = 5432,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Do not encrypt: everyone on the network can read and change all data.")
    ] = False,
) -> None:
    """Open this machine's embedded PostgreSQL to other machines, until Ctrl-C; print the line for workers."""
    from ganns.db.server.serve import serve

    serve(host, port, say, insecure=insecure)


@contextmanager
def _database(*, create: bool = False) -> Iterator[tuple[Address, Connection]]:
    """Yield the database and a connection to it; an error of the server becomes an error of ours."""
    import psycopg

    from ganns.db.choose import any_database
    from ganns.db.connect import connect
    from ganns.errors import DatabaseError

    with any_database(create=create) as address, connect(address, application="ganns db") as conn:
        try:
            yield address, conn
        except psycopg.Error as error:
            reason = str(error).strip().splitlines()[0]
            raise DatabaseError(f"The database {address} refused: {reason}. See `ganns db status`.") from error


def _migrate(address: Address, conn: Connection) -> None:
    from ganns.db.migrate import migrate

    applied = migrate(conn, say=say)
    say(f"{address}: " + (f"applied {', '.join(applied)}." if applied else "nothing to do, it is up to date."))


def _contents(conn: Connection) -> str:
    """Return a description of the database's contents, with the number of runs that have a coordinator."""
    from ganns.db.diagnostics import contents
    from ganns.db.migrate import status

    if not status(conn).applied:
        return "nothing yet"
    row = contents(conn)
    text = (
        f"{row['num_runs']:,} run(s) with their weights, checkpoints and metrics, the credit for "
        f"{row['num_units']:,} unit(s), and {row['num_jobs']:,} job(s)"
    )
    if row["num_coordinated"]:
        text += f"\n  {row['num_coordinated']} of these runs has a coordinator right now, which will stop"
    return text


def _rows(manifest: dict[str, Any]) -> str:
    """Return the numbers of runs and of other rows in a backup, as text."""
    rows = {table: entry["rows"] for table, entry in manifest["tables"].items()}
    return f"{rows['runs']:,} run(s) with {sum(rows.values()) - rows['runs']:,} further rows"


def _list(names: list[str]) -> str:
    """[] -> "none"; ["0001_a", "0002_b"] -> "2 (the last is 0002_b)"."""
    return f"{len(names)} (the last is {names[-1]})" if names else "none"


def _size(size_bytes: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if size_bytes < 1000:
            return f"{size_bytes:.3g} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:,.1f} GB"
