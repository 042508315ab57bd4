"""Which database: GANNS_DATABASE_URL, else the PG* variables, else nobody (see `choose` for what then)."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from ganns.errors import ConfigError, NoDatabaseAddress

URL_VARIABLE = "GANNS_DATABASE_URL"
PG_VARIABLES = ("PGHOST", "PGHOSTADDR", "PGSERVICE", "PGDATABASE")
"""One of these set means that PG* names a server; a lone PGUSER or PGPASSWORD does not."""


@dataclass(frozen=True)
class Address:
    """A connection string and where it came from. Neither `str` nor `repr` shows the password."""

    conninfo: str = field(repr=False)
    source: str

    def __str__(self) -> str:
        """Return "user@host:port/database"."""
        parts = conninfo_to_dict(self.conninfo)
        host = parts.get("host") or parts.get("hostaddr") or os.environ.get("PGHOST") or "the local socket"
        port = parts.get("port") or os.environ.get("PGPORT") or "5432"
        user = parts.get("user") or os.environ.get("PGUSER")
        name = parts.get("dbname") or os.environ.get("PGDATABASE")
        return f"{f'{user}@' if user else ''}{host}:{port}{f'/{name}' if name else ''}"


def resolve(explicit: str | None = None) -> Address | None:
    """Return the address that `explicit` or the environment names, or None if neither does.

    Raises:
        ConfigError: if it is not a connection string.
    """
    for conninfo, source in ((explicit, "given explicitly"), (os.environ.get(URL_VARIABLE), URL_VARIABLE)):
        if conninfo:
            try:
                conninfo_to_dict(conninfo)
            except ProgrammingError:
                # The original is not chained: its text may quote the string, password and all.
                raise ConfigError(
                    f"The database address ({source}) is not a PostgreSQL connection string; it looks like "
                    "postgresql://user:password@host:5432/ganns"
                ) from None
            return Address(conninfo, source)
    if found := [name for name in PG_VARIABLES if os.environ.get(name)]:
        return Address("", f"{', '.join(found)} (the PG* variables)")  # libpq reads them by itself
    return None


def require() -> Address:
    """Return the address for a worker, which must never start an empty server of its own.

    Raises:
        NoDatabaseAddress: naming what was looked at.
    """
    address = resolve()
    if address is None:
        raise NoDatabaseAddress(
            f"No database address: neither {URL_VARIABLE} nor {', '.join(PG_VARIABLES)} is set. Set the line that "
            f"your instructor gave you: export {URL_VARIABLE}=postgresql://user:password@host:5432/ganns"
        )
    return address
