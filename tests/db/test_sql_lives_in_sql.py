"""All SQL is in sql/: no statement in a Python file, no query without a caller, and the store calls them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ganns.db.queries import load
from ganns.paths import sql_dir

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(path for package in ("ganns", "tasks") for path in (ROOT / package).rglob("*.py"))
CALLING = ("db", "store", "queue", "worker", "monitor")
CALLERS = [path for path in FILES if path.relative_to(ROOT).parts[1] in CALLING]
STATEMENT = re.compile(
    r"\s*(SELECT\b|WITH \w+ AS\b|INSERT INTO\b|UPDATE \S+ (\w+ )?SET\b|DELETE FROM\b|MERGE INTO\b|TRUNCATE\b|VACUUM\b"
    r"|(CREATE|ALTER|DROP|COMMENT ON) [A-Z]{4,}\b|GRANT \w+ ON\b|REVOKE \w+ ON\b|LISTEN\b|UNLISTEN\b|NOTIFY\b"
    r"|SET (LOCAL|SESSION|\w+ (=|TO)) |SHOW \w+$|COPY \S+ (FROM|TO)\b|LOCK TABLE\b|BEGIN\b|COMMIT\b|ROLLBACK\b)"
)


def strings(source: str) -> Iterator[tuple[int, str]]:
    """Yield (line, text) of every string but docstrings, and but those whose {} are filled with identifiers.

    A statement's names cannot be parameters: `sql.SQL("LISTEN {}").format(sql.Identifier(...))` has to be in Python.
    """
    tree, left_out = ast.parse(source), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            left_out.add(node.value)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "sql.SQL":
            left_out.update(one for one in node.args if isinstance(one, ast.Constant) and "{}" in str(one.value))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in left_out:
            yield node.lineno, node.value


def statements(source: str) -> list[str]:
    return [f"line {line}: {text}" for line, text in strings(source) if STATEMENT.match(text)]


MICROSCOPE = ROOT / "ganns/exercises/microscope"
"""Reads and plays statements that others wrote: their words (BEGIN, COMMIT) are its data. Its scenes are SQL files."""


@pytest.mark.parametrize(
    "path", [one for one in FILES if MICROSCOPE not in one.parents], ids=lambda path: str(path.relative_to(ROOT))
)
def test_no_python_file_contains_a_statement(path: Path) -> None:
    assert statements(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        'conn.execute("SELECT 1")',
        'conn.execute("  \\n  select 1".upper())\nconn.execute("INSERT INTO t VALUES (1)")',
        'conn.execute(f"UPDATE ganns.runs r SET version = {version}")',
        'conn.execute("DELETE FROM ganns.runs " "WHERE true")',
        'conn.execute("""\n    WITH a AS (SELECT 1) SELECT * FROM a""")',
        'conn.execute(sql.SQL("VACUUM ganns.runs"))',
        'statement = "ALTER TABLE {} ADD x int".format(table)',
    ],
)
def test_a_statement_would_be_found(source: str) -> None:
    assert statements(source)


def test_words_and_statements_with_identifiers_are_no_statements() -> None:
    assert statements('"""SELECT 1, in a docstring"""\nx = "Select a run"\nsql.SQL("LISTEN {}").format(name)') == []


def test_every_query_is_called_by_the_packages_that_may() -> None:
    """import-linter holds the other half: no other package imports ganns.db.queries (pyproject.toml)."""
    queries = set(load(sql_dir() / "queries"))
    mentioned = {text for path in CALLERS for _, text in strings(path.read_text(encoding="utf-8"))}
    assert queries - mentioned == set(), "these have no caller: delete them"
