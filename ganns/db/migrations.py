"""The files of sql/migrations: numbered without a gap, and never changed once they were applied somewhere."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from ganns import resources
from ganns.errors import MigrationError


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
    for path in sorted((folder or resources.sql_dir() / "migrations").glob("*.sql")):
        match = re.fullmatch(r"(\d{4})_([a-z0-9_]+)\.sql", path.name)
        if not match or int(match[1]) != len(found) + 1:
            raise MigrationError(f"{path.name} should be called {len(found) + 1:04}_what_changed.sql.")
        found.append(Migration(int(match[1]), path.stem, path.read_text(encoding="utf-8")))
    return found
