"""Named queries: all SQL is in `sql/queries/*.sql`, and Python calls it by name.

    -- get_run --
    -- One run's row
    SELECT ... WHERE id = %(run_id)s;

A query has a header, at least one line of description, and one statement. The reader is strict: any other form is
an error when the file is loaded, not when the query is first used.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from ganns import paths
from ganns.errors import ResourceMissing

_HEADER = re.compile(r"^-- ([a-z][a-z0-9_]*) --$", re.MULTILINE)


def load(folder: Path) -> dict[str, str]:
    """Return every query of the folder's `*.sql` files by name.

    Raises:
        ResourceMissing: for a malformed header, a missing description, no statement or two, or a name used twice.
    """
    queries: dict[str, str] = {}
    for path in sorted(folder.glob("*.sql")):
        text = path.read_text(encoding="utf-8")
        for line in text.splitlines():
            if re.match(r"^\s*--.*--\s*$", line) and not _HEADER.match(line):
                raise ResourceMissing(f"{path.name}: {line!r} is not a query's header; write `-- lower_case_name --`.")
        before, *parts = _HEADER.split(text)
        if any(line.strip() and not line.startswith("--") for line in before.splitlines()):
            raise ResourceMissing(f"{path.name}: there is a statement before the first header; give it a name.")
        for name, body in zip(parts[::2], parts[1::2], strict=True):
            if name in queries:
                raise ResourceMissing(f"{path.name}: there is another query called {name!r}; rename one.")
            lines = body.strip().splitlines()
            statement = "\n".join(line for line in lines if not line.lstrip().startswith("--")).strip()
            if not lines or not lines[0].startswith("-- ") or not statement:
                raise ResourceMissing(f"{path.name}: {name!r} needs a line of description and a statement.")
            queries[name] = statement.removesuffix(";")
            if re.search(r";\s*$", queries[name], re.MULTILINE):
                raise ResourceMissing(f"{path.name}: {name!r} has two statements; give each a name.")
    return queries


@functools.cache
def _queries() -> dict[str, str]:
    return load(paths.sql_dir() / "queries")


def query(name: str) -> str:
    """Return the statement called `name`.

    Raises:
        ResourceMissing: if there is none.
    """
    try:
        return _queries()[name]
    except KeyError:
        raise ResourceMissing(f"There is no query called {name!r} in sql/queries.") from None


def execute(conn: psycopg.Connection[Any], name: str, /, **parameters: Any) -> psycopg.Cursor[dict[str, Any]]:
    """Run the named query and return its cursor: rows as dictionaries, values in binary."""
    cursor = conn.cursor(row_factory=dict_row, binary=True)
    return cursor.execute(query(name), parameters)
