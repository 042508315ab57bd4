"""The schema: numbered migrations and procrastinate's own schema, and which versions of both a database has.

Migrations are append-only: a file never changes after a database has applied it (its SHA-256 is recorded and
checked). Each step is one transaction that locks `ganns.migrations` first, so twenty installations at once do no harm.
It is no advisory lock, because any login can take those, and keep them.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.resources
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from ganns import paths
from ganns.db.connect import Connection
from ganns.db.queries import execute
from ganns.db.waiting import telling_for_whom
from ganns.errors import MigrationError, SchemaOutdated
from ganns.utils.installation import pinned_command

PROCRASTINATE = "3.10."
"""We call procrastinate's SQL functions, whose names change between its versions. Its own migrations update them."""
SCRIPTS = ("viewer", "class_login", "students")
"""The files of sql/schema that give roles their rights, after every migration."""
TRIES = 20


@dataclass(frozen=True)
class SchemaStatus:
    """The migrations that a database has and those that it lacks."""

    applied: list[str]
    pending: list[str]
    unknown: list[str]  # from a newer program
    procrastinate: str | None


def migrate(conn: Connection, folder: Path | None = None, say: Callable[[str], None] | None = None) -> list[str]:
    """Apply the migrations that the database lacks; return the names of those that this call applied.

    Args:
        conn: a connection of the database's owner.
        folder: the migrations; sql/migrations by default.
        say: told about sessions for which a step has to wait.

    Raises:
        MigrationError: if an applied file was changed since, a statement failed, or procrastinate has another version.
    """
    migrations, applied = read_migrations(folder), list[str]()
    with telling_for_whom(conn, say):
        for attempt in range(TRIES):
            try:
                _bootstrap(conn)
                applied += _update_procrastinate(conn)
                done = _recorded(conn)
                for migration in migrations:
                    if done.get(migration.number) != migration.sha256 and _apply(conn, migration):
                        applied.append(migration.name)
                if set(done) <= {migration.number for migration in migrations}:  # else a newer program gave the rights
                    for name in SCRIPTS:
                        with _alone(conn):
                            _run_script(conn, name)
                break
            except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):  # a reset, a moment ago
                if attempt == TRIES - 1:
                    raise
        with _alone(conn):  # two programs that set the same role's setting at once: "tuple concurrently updated"
            set_search_path(conn)
    return applied


def status(conn: Connection, folder: Path | None = None) -> SchemaStatus:
    """Return which migrations are applied, pending and unknown."""
    migrations = read_migrations(folder)
    done, known = _recorded(conn), {migration.number for migration in migrations}
    return SchemaStatus(
        applied=[one.name for one in migrations if one.number in done],
        pending=[one.name for one in migrations if one.number not in done],
        unknown=[f"{number:04}" for number in done if number not in known],
        procrastinate=_component(conn),
    )


def require_current(conn: Connection) -> None:
    """Check that the database has exactly this program's migrations.

    Raises:
        SchemaOutdated: with the first migration that the database or the program lacks.
    """
    found = status(conn)
    pending = found.pending
    if pending:
        raise SchemaOutdated(
            f"The database lacks {len(pending)} migration(s), {pending[0]} first: run `ganns db migrate`."
        )
    mine = importlib.metadata.version("procrastinate")
    if _numbers(found.procrastinate or "0")[:2] < _numbers(mine)[:2]:
        raise SchemaOutdated(
            f"The database has procrastinate {found.procrastinate}'s schema, and this program uses {mine}: "
            "run `ganns db migrate`."
        )
    if found.unknown:
        raise SchemaOutdated(
            f"The database is newer than this program, which does not know its migration {found.unknown[0]}: update "
            "the program with `git pull`."
        )


def reset(conn: Connection, say: Callable[[str], None] | None = None) -> list[str]:
    """Delete our and procrastinate's schemas with all their data (runs, results, contributions), and migrate again."""
    with telling_for_whom(conn, say), conn.transaction():
        if _exists(conn, "ganns.migrations"):
            execute(conn, "lock_migrations")
        _run_script(conn, "drop")
    return migrate(conn, say=say)


def set_search_path(conn: Connection) -> None:
    """Set this role's search_path to procrastinate's schema, for this connection and all later ones.

    The setting belongs to the role, because connection options do not pass through a pooler in transaction mode. A
    copy of a template database does not have the setting: call this function again there.
    """
    row = execute(conn, "whoami").fetchone()
    assert row is not None
    statement = sql.SQL("ALTER ROLE {} IN DATABASE {} SET search_path = procrastinate, public")
    conn.execute(statement.format(sql.Identifier(row["role"]), sql.Identifier(row["database"])))
    execute(conn, "use_search_path")


@contextmanager
def _alone(conn: Connection) -> Iterator[None]:
    """Run the block in a transaction, while no other program migrates. Readers do not wait."""
    with conn.transaction():
        execute(conn, "lock_migrations")
        yield


def _bootstrap(conn: Connection) -> None:
    """Create the schemas and the tables that migrations are recorded in. There is nothing to lock yet, so try again."""
    for attempt in range(TRIES):
        try:
            _run_script(conn, "bootstrap")
        except (psycopg.errors.UniqueViolation, psycopg.errors.DuplicateSchema, psycopg.errors.DuplicateTable):
            if attempt == TRIES - 1:  # another program created the same at the same moment
                raise
        else:
            return


def _apply(conn: Connection, migration: Migration) -> bool:
    """Apply a migration; return False if another program did so meanwhile."""
    with _alone(conn):
        done = _recorded(conn).get(migration.number)
        if done == migration.sha256:
            return False
        if done is not None:
            raise MigrationError(
                f"The migration {migration.name} was changed after this database applied it. Restore the file "
                "(`git checkout sql/migrations`), and put changes into a new one."
            )
        try:
            conn.execute(migration.sql)
            execute(conn, "record_migration", number=migration.number, name=migration.name, sha256=migration.sha256)
        except psycopg.Error as error:
            raise MigrationError(
                f"The migration {migration.name} failed and was undone: {str(error).splitlines()[0]}. Correct the file "
                "and run `ganns db migrate` again."
            ) from error
    return True


def _update_procrastinate(conn: Connection) -> list[str]:
    """Install procrastinate's schema, or apply its migrations that the database lacks; record its version."""
    version = importlib.metadata.version("procrastinate")
    if not version.startswith(PROCRASTINATE):
        todo = pinned_command(f"'procrastinate=={PROCRASTINATE}*'")
        raise MigrationError(
            f"procrastinate {version} is installed, and this program works with {PROCRASTINATE}*: run `{todo}`."
        )
    if _numbers(_component(conn) or "0") >= _numbers(version):
        return []
    with _alone(conn):
        present, name = _component(conn), ""
        if _numbers(present or "0") >= _numbers(version):  # another program was faster
            return []
        try:
            execute(conn, "use_procrastinate")
            for name, text in _procrastinate_scripts(present):  # noqa: B007 (the message names the last one)
                conn.execute(text)
            execute(conn, "record_component", name="procrastinate", version=version)
        except psycopg.Error as error:
            raise MigrationError(
                f"procrastinate's {name} failed, and its update was undone: {str(error).splitlines()[0]}. Make a "
                "backup, and compare the database's schema procrastinate with that file."
            ) from error
    return [f"procrastinate {version}"]


def _procrastinate_scripts(present: str | None) -> list[tuple[str, str]]:
    """Return the name and text of each script of procrastinate that leads from version `present` to the installed one.

    Its migrations are named after the release that needs them, such as `03.04.00_01_...sql`. A release without a
    change of the schema has none.
    """
    folder = importlib.resources.files("procrastinate").joinpath("sql")
    if present is None:
        return [("schema.sql", folder.joinpath("schema.sql").read_text("utf-8"))]
    files = {one.name: one for one in folder.joinpath("migrations").iterdir() if one.name.endswith(".sql")}
    return [(name, files[name].read_text("utf-8")) for name in sorted(files) if _numbers(name) > _numbers(present)]


def _numbers(version: str) -> tuple[int, ...]:
    """Return the three numbers of a version or of a file's name: (3, 4, 0) of `03.04.00_01_pre.sql`."""
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def _component(conn: Connection) -> str | None:
    if _has_function(conn, "ganns_api.component(text)"):
        row = execute(conn, "api_component", name="procrastinate").fetchone()
    elif _exists(conn, "ganns.components"):
        row = execute(conn, "get_component", name="procrastinate").fetchone()
    else:
        return None
    return row["version"] if row else None


def _recorded(conn: Connection) -> dict[int, str]:
    """Return the digests of applied migrations by number.

    Students may not read the table, but call a function; before migration 0017 there is none.
    """
    if _has_function(conn, "ganns_api.migrations()"):
        rows = execute(conn, "api_migrations")
    elif _exists(conn, "ganns.migrations"):
        rows = execute(conn, "list_migrations")
    else:
        return {}
    return {row["number"]: row["sha256"] for row in rows}


def _run_script(conn: Connection, name: str) -> None:
    """Run the statements of sql/schema/<name>.sql in one transaction."""
    try:
        with conn.transaction():
            conn.execute((paths.sql_dir() / "schema" / f"{name}.sql").read_text("utf-8"))
    except psycopg.errors.InsufficientPrivilege as error:
        raise MigrationError(
            f"This login may not change the database's schemas ({error.diag.message_primary}): "
            "use the login of the database's owner."
        ) from error


def _has_function(conn: Connection, signature: str) -> bool:
    row = execute(conn, "function_exists", signature=signature).fetchone()
    return bool(row and row["found"])


def _exists(conn: Connection, table: str) -> bool:
    row = execute(conn, "table_exists", name=table).fetchone()
    return bool(row and row["found"])


@dataclass(frozen=True)
class Migration:
    """One file of sql/migrations."""

    number: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """The digest of the file's text."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def read_migrations(folder: Path | None = None) -> list[Migration]:
    """Return the migrations in order.

    Raises:
        MigrationError: for a file name that is not NNNN_what_changed.sql, or a gap in the numbers.
    """
    found: list[Migration] = []
    for path in sorted((folder or paths.sql_dir() / "migrations").glob("*.sql")):
        match = re.fullmatch(r"(\d{4})_([a-z0-9_]+)\.sql", path.name)
        if not match or int(match[1]) != len(found) + 1:
            raise MigrationError(f"{path.name} should be called {len(found) + 1:04}_what_changed.sql.")
        found.append(Migration(int(match[1]), path.stem, path.read_text(encoding="utf-8")))
    return found
