"""The database's address: GANNS_DATABASE_URL, else the PG* variables, else the one that `ganns join` stored.

Without all of them: see `ganns.db.choose`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from psycopg.conninfo import conninfo_to_dict

from ganns.db import joined
from ganns.db.conninfo import understand
from ganns.db.encryption import encrypted, weakness
from ganns.errors import NoDatabaseAddress

URL_VARIABLE = "GANNS_DATABASE_URL"
PG_VARIABLES = ("PGHOST", "PGHOSTADDR", "PGSERVICE", "PGDATABASE")
"""One of these is enough to name a server; PGUSER or PGPASSWORD alone is not."""


@dataclass(frozen=True)
class Address:
    """A connection string and its source. `str` and `repr` never show the password."""

    conninfo: str = field(repr=False)
    source: str

    def __str__(self) -> str:
        """Return "user@host:port/database", without the parts that are left to libpq's defaults."""
        parts = conninfo_to_dict(self.conninfo)

        def part(*names: str) -> str | None:
            """Return the first of these parts that the string has, else the first one that a PG* variable has."""
            values = [parts.get(name) for name in names]
            values += [os.environ.get("PGDATABASE" if name == "dbname" else f"PG{name.upper()}") for name in names]
            return next((str(value) for value in values if value), None)

        user, name, service = part("user"), part("dbname"), part("service")
        host = part("host", "hostaddr") or (f"service {service}" if service else "the local socket")
        return f"{f'{user}@' if user else ''}{host}:{part('port') or 5432}{f'/{name}' if name else ''}"


def resolve(explicit: str | None = None) -> Address | None:
    """Return the address that `explicit`, the environment or `ganns join` names, or None if none does.

    Raises:
        ConfigError: if the address is not a connection string.
    """
    for conninfo, source in ((explicit, "given explicitly"), (os.environ.get(URL_VARIABLE), URL_VARIABLE)):
        if conninfo:
            return Address(encrypted(understand(conninfo, source), source), source)
    if found := [name for name in PG_VARIABLES if os.environ.get(name)]:
        source = f"{', '.join(found)} (the PG* variables)"  # libpq reads them by itself
        return Address(encrypted("", source), source)
    if (conninfo := joined.load()) is not None:
        return Address(encrypted(understand(conninfo, joined.SOURCE), joined.SOURCE), joined.SOURCE)
    return None


def told(address: Address) -> Address:
    """Return the address; tell people once what they cannot see: which database was stored, and a weak encryption."""
    weak = weakness(address.conninfo)
    if address.source == joined.SOURCE or weak:
        joined.note(f"database: {address} (from {address.source})" + (f"; the connection {weak}" if weak else ""))
    return address


def require() -> Address:
    """Return the address for a worker, which must never start an empty server.

    Raises:
        NoDatabaseAddress: with the variables that are not set.
    """
    address = resolve()
    if address is None:
        raise NoDatabaseAddress(
            f"No database address: neither {URL_VARIABLE} nor {', '.join(PG_VARIABLES)} is set, and `ganns join` was "
            "not used. With the line that your instructor gave you: "
            "ganns join 'postgresql://user:password@host:5432/ganns'"
        )
    return told(address)


def join_line(address: Address) -> str:
    """Return what to type to join with a worker at `address`, without the password."""
    if address.source.startswith("the embedded"):  # a socket of this machine, without a password
        return (
            f"{URL_VARIABLE}='{address.conninfo}' ganns worker    (on this machine; on others: with the line that "
            "`ganns db serve --host 0.0.0.0` prints)"
        )
    return "`ganns join` with the same address, and `ganns worker`"
