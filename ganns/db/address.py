"""The database's address: GANNS_DATABASE_URL, else the PG* variables. Without both: see `ganns.db.choose`."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from ganns.errors import ConfigError, NoDatabaseAddress

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
    """Return the address that `explicit` or the environment names, or None if neither does.

    Raises:
        ConfigError: if the address is not a connection string.
    """
    for conninfo, source in ((explicit, "given explicitly"), (os.environ.get(URL_VARIABLE), URL_VARIABLE)):
        if conninfo:
            _check(conninfo, source)
            return Address(conninfo, source)
    if found := [name for name in PG_VARIABLES if os.environ.get(name)]:
        return Address("", f"{', '.join(found)} (the PG* variables)")  # libpq reads them by itself
    return None


def _check(conninfo: str, source: str) -> None:
    """Raise a ConfigError if libpq cannot read the string, or takes a part of the password for something else.

    In a URL whose password has an unquoted @ or /, libpq reads a piece of the password as the host, the port or the
    database. Every message that names the host would then show that piece. The error does not quote the string.
    """
    try:
        parts = {name: str(value) for name, value in conninfo_to_dict(conninfo).items()}
    except ProgrammingError:
        parts = None
    # The original is not chained: its text may quote the string, password and all.
    if parts is None:
        raise ConfigError(
            f"The database address ({source}) is not a PostgreSQL connection string; it looks like "
            "postgresql://user:password@host:5432/ganns"
        )
    hosts = [host for host in parts.get("host", "").split(",") if not host.startswith("/")]
    ports = [port for port in parts.get("port", "").split(",") if port]
    if any("@" in text for text in (*hosts, parts.get("dbname", ""))) or not all(port.isdecimal() for port in ports):
        raise ConfigError(
            f"The database address ({source}) cannot be read: in its password, write @ as %40, / as %2F and "
            ": as %3A, as in postgresql://user:pass%40word@host:5432/ganns"
        )
    for host in hosts:
        try:
            host.encode("idna")  # Python does the same when it connects, but its error is hard to read
        except UnicodeError:
            raise ConfigError(
                f"The database address ({source}) names {host!r}, which cannot be a host: copy the whole line that you "
                "were given; it looks like postgresql://user:password@192.0.2.7:5432/ganns"
            ) from None


def require() -> Address:
    """Return the address for a worker, which must never start an empty server.

    Raises:
        NoDatabaseAddress: with the variables that are not set.
    """
    address = resolve()
    if address is None:
        raise NoDatabaseAddress(
            f"No database address: neither {URL_VARIABLE} nor {', '.join(PG_VARIABLES)} is set. Set the line that "
            f"your instructor gave you: export {URL_VARIABLE}=postgresql://user:password@host:5432/ganns"
        )
    return address


def join_line(address: Address) -> str:
    """Return what to type to join with a worker at `address`, without the password."""
    if address.source.startswith("the embedded"):  # a socket of this machine, without a password
        return (
            f"{URL_VARIABLE}='{address.conninfo}' ganns worker    (on this machine; on others: with the line that "
            "`ganns db serve --host 0.0.0.0` prints)"
        )
    return f"the same address in {URL_VARIABLE}, and `ganns worker`"
