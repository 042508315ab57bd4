"""psql on the exercises' own PostgreSQL: two terminals are two sessions, which see the same tables.

Not the class's database: its login may make no tables there, and a session that forgets its COMMIT would hold locks
that others wait for.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import psycopg
from psycopg import sql

from ganns import paths
from ganns.db.address import Address
from ganns.db.connect import connect
from ganns.db.server.embedded import EmbeddedServer
from ganns.db.server.programs import OWNER, program_path
from ganns.errors import ConfigError

DATABASE = "by_hand"
"""Its own: the checks make their tables anew in another one, and never wait for a session that is typed."""
_NAME = re.compile(r"\w{1,20}")


def run_psql(name: str) -> int:
    """Run psql for a session called `name`, until it ends; return its exit code. The server stays while one runs.

    Raises:
        ConfigError: for a name that no prompt can show.
        ResourceMissing: these programs of PostgreSQL have no psql.
    """
    if not _NAME.fullmatch(name):  # `%` has a meaning in a prompt
        raise ConfigError(f"The session's name {name!r} should be one short word, as in `ganns exercise psql ada`.")
    program = program_path("psql")
    with EmbeddedServer(paths.home() / "exercises" / "pg") as server:
        address = _database(server)
        # Ctrl-C belongs to psql, which cancels the statement. A function is not inherited; SIG_IGN would be.
        before = signal.signal(signal.SIGINT, lambda number, frame: None)
        try:
            return subprocess.run(command(program, address, name), env=variables(name)).returncode
        finally:
            signal.signal(signal.SIGINT, before)


def command(program: Path, address: Address, name: str) -> list[str]:
    """Return the command: the prompt says whose session it is, and shows `*` in a transaction."""
    prompts = [word for number in (1, 2) for word in ("-v", f"PROMPT{number}={name}%R%x%# ")]
    return [str(program), "-X", *prompts, address.conninfo]


def variables(name: str) -> dict[str, str]:
    """Return psql's variables, without a PG* of the user: an option or a service file could name another server."""
    others = {key: value for key, value in os.environ.items() if not key.upper().startswith("PG")}
    return others | {"PGAPPNAME": name}


def _database(server: EmbeddedServer) -> Address:
    """Create the database if it is missing, and return its address, with the login of its owner."""
    with connect(server.superuser_address, application="ganns exercise psql") as conn:
        create = sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0")
        # It may be there, or appear at this moment, if both students start together.
        with suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
            conn.execute(create.format(sql.Identifier(DATABASE), sql.Identifier(OWNER)))
    return server.address_of(DATABASE)
