"""`ganns db backup` and `restore`: the runs and their data in one file.

The file is a zip: one CSV for each table, as COPY writes it (a spreadsheet can open it), and `manifest.json` with the
applied migrations, the number of rows and the SHA-256 of each table. It has no data that can be computed again (weights
of versions, results, jobs), but it has the checkpoints: a restored run goes on from its last one.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

from psycopg import IsolationLevel, sql

from ganns.db.connect import Connection
from ganns.db.migrate import require_current, status
from ganns.db.queries import execute
from ganns.errors import DatabaseError, PayloadError
from ganns.utils.atomic import replacing

TABLES = (
    "runs",
    "workers",
    "versions",
    "checkpoints",
    "rounds",
    "skipped",
    "ledger",
    "metrics",
    "evaluations",
    "feature_networks",
    "samples",
    "replays",
    "sweep_points",
    "controls",
    "presence",
    "certificates",
)
"""In the order of their references. tests/db/test_backup.py checks that no other logged table has data of runs."""
FORMAT = 1
BLOCK = 1 << 20


def backup(conn: Connection, path: Path, *, checkpoints: bool = True) -> dict[str, Any]:
    """Write a backup and return its manifest. The file appears when it is complete.

    One REPEATABLE READ transaction reads all tables, so they fit together although runs go on.

    Raises:
        DatabaseError: if the file exists, or the schema is not current.
    """
    require_current(conn)
    if path.exists():
        raise DatabaseError(f"{path} exists already, and a backup overwrites nothing: give another name.")
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "program": version("ganns"),
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "migrations": status(conn).applied,
        "tables": {},
    }
    with (
        replacing(path, sync=True) as part,
        zipfile.ZipFile(part, "x", zipfile.ZIP_DEFLATED, compresslevel=1) as file,
        _snapshot(conn),
    ):
        for table in TABLES:
            if checkpoints or table != "checkpoints":
                manifest["tables"][table] = _write(conn, table, file)
        file.writestr("manifest.json", json.dumps(manifest, indent=2) + "\n")
    return manifest


@contextmanager
def _snapshot(conn: Connection) -> Iterator[None]:
    """Open a transaction in which all statements see the same state of the database."""
    before = conn.isolation_level
    conn.isolation_level = IsolationLevel.REPEATABLE_READ
    try:
        with conn.transaction():
            yield
    finally:
        conn.isolation_level = before


def _write(conn: Connection, table: str, file: zipfile.ZipFile) -> dict[str, Any]:
    """Copy one table into the file; return its rows, bytes and SHA-256."""
    digest, size = hashlib.sha256(), 0
    statement = sql.SQL("COPY {} TO STDOUT (FORMAT csv, HEADER)").format(sql.Identifier("ganns", table))
    cursor = conn.cursor()
    with cursor.copy(statement) as rows, file.open(f"{table}.csv", "w", force_zip64=True) as member:
        for block in rows:
            data = bytes(block)
            digest.update(data)
            size += len(data)
            member.write(data)
    return {"rows": cursor.rowcount, "bytes": size, "sha256": digest.hexdigest()}


def restore(conn: Connection, path: Path) -> dict[str, Any]:
    """Load a backup into an empty, migrated database and return its manifest. Runs keep their numbers.

    The whole file is checked before the first row is written, and one transaction writes all rows. So nothing changes
    if the file is damaged or the database is not empty.

    Raises:
        PayloadError: if the file is not a backup, or is damaged.
        DatabaseError: if the file has another schema, or the database is not empty.
    """
    require_current(conn)
    try:
        with zipfile.ZipFile(path) as file:
            manifest = _checked(file, path)
            if manifest["migrations"] != (applied := status(conn).applied):
                raise DatabaseError(
                    f"{path} was made with the schema {manifest['migrations'][-1]} by ganns {manifest['program']}, and "
                    f"this database has {applied[-1]}: restore it with that program, then type `ganns db migrate`."
                )
            with conn.transaction():
                _refuse_contents(conn)
                for table, entry in manifest["tables"].items():
                    with file.open(f"{table}.csv") as member:
                        _read(conn, table, member, entry["rows"])
                execute(conn, "settle_restored")
                execute(conn, "continue_numbers")
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise PayloadError(f"{path} cannot be read as a backup ({error}); nothing was changed.") from error
    return manifest


def _checked(file: zipfile.ZipFile, path: Path) -> dict[str, Any]:
    """Return the manifest, after checking every table against it."""
    try:
        manifest: dict[str, Any] = json.loads(file.read("manifest.json"))
        if manifest["format"] != FORMAT:
            raise PayloadError(f"{path} has format {manifest['format']}, and this program reads {FORMAT}.")
        for table, entry in manifest["tables"].items():
            digest = hashlib.sha256()
            with file.open(f"{table}.csv") as member:
                while block := member.read(BLOCK):
                    digest.update(block)
            if table not in TABLES or digest.hexdigest() != entry["sha256"]:
                raise PayloadError(f"{path} is damaged: {table}.csv does not have its SHA-256; nothing was changed.")
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise PayloadError(f"{path} was not written by `ganns db backup` ({error}); nothing was changed.") from error
    return manifest


def _refuse_contents(conn: Connection) -> None:
    found = execute(conn, "count_rows_in_the_way").fetchone() or {}
    there = [f"{count:,} rows in ganns.{table}" for table, count in found.items() if count]
    if there:
        raise DatabaseError(
            f"This database is not empty ({', '.join(there)}), and a backup is restored into an empty one: name "
            "another, or empty it with `ganns db reset`, before workers start."
        )


def _read(conn: Connection, table: str, member: IO[bytes], num_rows: int) -> None:
    """Copy one table into the database, if the file has this table's columns in this order."""
    name = sql.Identifier("ganns", table)
    cursor = conn.cursor()
    # HEADER match would check the columns, but only from PostgreSQL 15 on.
    with cursor.copy(sql.SQL("COPY (SELECT * FROM {} LIMIT 0) TO STDOUT (FORMAT csv, HEADER)").format(name)) as rows:
        expected = b"".join(bytes(block) for block in rows)
    header = member.readline()
    if header != expected:
        raise PayloadError(
            f"{table}.csv has the columns {_columns(header)}, and this database {_columns(expected)}; nothing was "
            "changed."
        )
    with cursor.copy(sql.SQL("COPY {} FROM STDIN (FORMAT csv)").format(name)) as rows:
        while block := member.read(BLOCK):
            rows.write(block)
    if cursor.rowcount != num_rows:
        raise PayloadError(
            f"{table}.csv has {cursor.rowcount} rows where {num_rows} were written; nothing was changed."
        )


def _columns(line: bytes) -> str:
    return repr(line[:500].decode(errors="replace").strip())
