"""The named queries: the strict reader, and every statement parsed by PostgreSQL against the migrated schema."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from psycopg.pq import DiagnosticField, ExecStatus

from ganns.db.connect import Connection
from ganns.db.queries import execute, load, query
from ganns.errors import ResourceMissing
from ganns.paths import sql_dir

QUERIES = load(sql_dir() / "queries")
INDETERMINATE = b"42P18"
"""A parameter of which the statement alone does not say the type; psycopg sends the value's type along."""


def numbered(statement: str) -> str:
    """Turn psycopg's %(name)s, %(name)b and %% into PostgreSQL's $1 and %."""
    numbers: dict[str, int] = {}

    def replace(found: re.Match[str]) -> str:
        if found[0] == "%%":
            return "%"
        assert found[1], f"{found[0]!r} is not a placeholder that we use"
        return f"${numbers.setdefault(found[1], len(numbers) + 1)}"

    return re.sub(r"%(?:%|\((\w+)\)[sbt]|.)", replace, statement)


def test_placeholders_become_numbers() -> None:
    assert numbered("a = %(x)s AND b = %(y)b OR a LIKE '%%' AND %(x)s") == "a = $1 AND b = $2 OR a LIKE '%' AND $1"
    with pytest.raises(AssertionError, match="'%s'"):
        numbered("a = %s")


@pytest.mark.parametrize("search_path", ["procrastinate, public", ""])
def test_every_query_prepares_against_the_migrated_schema(search_path: str, conn: Connection) -> None:
    """PREPARE by the protocol's own message, which unlike the statement takes VACUUM and the like too.

    With an empty search_path too: a query names the schemas itself, since a login's setting is not ours to know.
    """
    conn.execute("SELECT set_config('search_path', %s, false)", [search_path])
    wrong = {}
    for name, statement in QUERIES.items():
        result = conn.pgconn.prepare(b"", numbered(statement).encode())
        if result.status != ExecStatus.COMMAND_OK and result.error_field(DiagnosticField.SQLSTATE) != INDETERMINATE:
            wrong[name] = result.get_error_message()
    assert wrong == {}


def test_a_wrong_query_does_not_prepare(conn: Connection) -> None:
    """The test above sees a column that is not there, a table that is not there, and a type that does not fit."""
    for statement in (
        "SELECT nmae FROM ganns.runs WHERE id = %(run_id)s",
        "DELETE FROM ganns.run WHERE id = %(run_id)s",
        "SELECT id FROM ganns.runs WHERE id = %(run_id)s::jsonb",
        "SELECT ganns_api.claim(%(job_id)s::text)",
    ):
        assert conn.pgconn.prepare(b"", numbered(statement).encode()).status == ExecStatus.FATAL_ERROR, statement


def test_the_vacuum_runs(conn: Connection) -> None:
    """VACUUM looks its tables up only when it runs."""
    execute(conn, "vacuum_blobs")


# ------------------------------------------------------------------------------------------------- the reader


def read(folder: Path, text: str) -> dict[str, str]:
    (folder / "some.sql").write_text(text)
    return load(folder)


def test_a_query_is_what_stands_between_two_headers(tmp_path: Path) -> None:
    text = """-- What this file is about.

-- first --
-- One line about it,
-- and another
SELECT 1  -- the only one
WHERE true;

-- second_2 --
-- The other
SELECT 2
"""
    assert read(tmp_path, text) == {"first": "SELECT 1  -- the only one\nWHERE true", "second_2": "SELECT 2"}


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("--first--\n-- About it\nSELECT 1;", r"'--first--' is not a query's header; write `-- lower_case_name --`"),
        ("-- First --\n-- About it\nSELECT 1;", r"'-- First --' is not a query's header"),
        ("-- my query --\n-- About it\nSELECT 1;", r"'-- my query --' is not a query's header"),
        ("  -- first --\n-- About it\nSELECT 1;", r"is not a query's header"),
        ("-- first --\nSELECT 1;", r"'first' needs a line of description and a statement"),
        ("-- first --\n-- About it\n", r"'first' needs a line of description and a statement"),
        ("-- first --\n", r"'first' needs a line of description and a statement"),
        ("-- a --\n-- A\nSELECT 1;\n-- a --\n-- A\nSELECT 2;", r"there is another query called 'a'; rename one"),
        ("SELECT 1;\n-- a --\n-- A\nSELECT 1;", r"before the first header"),
        ("-- a --\n-- A\nSELECT 1;\nSELECT 2;", r"'a' has two statements"),
    ],
)
def test_what_does_not_look_like_a_query_is_an_error(text: str, answer: str, tmp_path: Path) -> None:
    with pytest.raises(ResourceMissing, match=rf"^some\.sql: .*{answer}"):
        read(tmp_path, text)


def test_a_name_is_unique_over_all_files(tmp_path: Path) -> None:
    (tmp_path / "other.sql").write_text("-- a --\n-- A\nSELECT 1;")
    with pytest.raises(ResourceMissing, match=r"^some\.sql: there is another query called 'a'"):
        read(tmp_path, "-- a --\n-- A\nSELECT 1;")


def test_a_name_that_does_not_exist_is_named() -> None:
    with pytest.raises(ResourceMissing, match=r"no query called 'get_rnu' in sql/queries"):
        query("get_rnu")


def test_rows_are_dictionaries_and_bytes_come_in_binary(conn: Connection) -> None:
    cursor = execute(conn, "database_exists", name=conn.info.dbname)
    assert cursor.fetchall() == [{"found": 1}]
    assert cursor.format == 1
