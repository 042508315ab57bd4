"""From the text that a person pastes to a connection string that libpq reads.

People paste a whole line of a mail, an address that is meant for another program, or a password with an `@` in it. What
can be understood is taken. Everything else is an error that names the part, and never quotes the password.
"""

from __future__ import annotations

import difflib
import re
import urllib.parse
from functools import cache

from psycopg import ProgrammingError, pq
from psycopg.conninfo import conninfo_to_dict

from ganns.db import certificate
from ganns.db.pasted import unwrap
from ganns.errors import ConfigError

EXAMPLE = "postgresql://user:password@host:5432/ganns"
FOREIGN = {
    "charset",
    "connection_limit",
    "pgbouncer",
    "pool_mode",
    "pool_timeout",
    "prepare_threshold",
    "prepared_statements",
    "schema",
    "server_version",
    "serverversion",
    "socket_timeout",
    "statement_cache_mode",
    "statement_cache_size",
    "supa",
    "uselibpqcompat",
    "workaround",
}
"""Parameters in providers' addresses that other programs read, in lower case. We leave them out."""
_PAIR = re.compile(r"\s*(\w+)\s*=\s*('(?:[^'\\]|\\.)*'(?=\s|$)|(?!')(?:[^\s\\]|\\.)*)\s*", re.DOTALL)
"""One key=value, as libpq reads it: a value with a space is in quotes, and a backslash takes the next letter."""


def understand(text: str, source: str) -> str:
    """Return the connection string in `text`; `source` says in messages where the text comes from.

    It is libpq's, but for the parameter `ganns_cert`: `ganns.db.encryption.encrypted` makes one for libpq.

    Raises:
        ConfigError: if there is none; the message names the part that cannot be read.
    """
    text = unwrap(text, source)
    conninfo = _mend_url(text, source) if re.match(r"[^\s=]*://", text) else _mend_pairs(text, source)
    _check(conninfo, source)
    return conninfo


def _mend_pairs(text: str, source: str) -> str:
    """Return `key=value key=value` as libpq needs it.

    Raises:
        ConfigError: for a parameter that is not known, or a value with a space that is not in quotes.
    """
    kept, place, last = [], 0, ""
    while place < len(text):
        found = _PAIR.match(text, place)
        if found is None:
            raise _unreadable_pair(last, source)
        name, value = found[1], found[2]
        understood = _known_parameters() | FOREIGN | {"ssl", certificate.NAME}
        if last == "password" and not difflib.get_close_matches(name.lower(), understood):
            raise _unreadable_pair(last, source)  # half of a password with a space: its name is not shown
        kept.append(_mend_parameter(f"{name}={value}", source))
        place, last = found.end(), name
    return " ".join(part for part in kept if part)


def _unreadable_pair(last: str, source: str) -> ConfigError:
    if not last:
        return ConfigError(
            f"The database address ({source}) is not a PostgreSQL connection string; it looks like {EXAMPLE}"
        )
    return ConfigError(
        f"The database address ({source}) has something behind the value of {last} that is no key=value: write "
        f"{last}='...' if the value has a space, and \\' for a quote in it"
    )


def _mend_url(text: str, source: str) -> str:
    """Return the URL as libpq needs it.

    Raises:
        ConfigError: for another scheme, or a parameter that is not known.
    """
    scheme, _, rest = text.partition("://")
    if scheme.partition("+")[0].lower() not in ("postgres", "postgresql"):
        raise ConfigError(
            f"The database address ({source}) begins with {scheme}://, which is not PostgreSQL; it looks like {EXAMPLE}"
        )
    head, mark, query = rest.partition("?")
    user, at, place = head.rpartition("@")
    if (not at and "@" in query) or ("/" in user and ":" not in user):
        raise _unreadable_password(source)
    name, colon, password = user.partition(":")
    query = "&".join(kept for part in query.split("&") if (kept := _mend_parameter(part, source)))
    return f"postgresql://{_quote(name)}{colon}{_quote(password)}{at}{place}{mark if query else ''}{query}"


def _quote(part: str) -> str:
    """Return a login or password in which `%40` stays, and a lone `%`, `@` or `/` is written as libpq needs it."""
    part = re.sub(r"%(?![0-9A-Fa-f]{2})", "%25", part)
    return re.sub(r"[@/?#\s]", lambda found: urllib.parse.quote(found[0], safe=""), part)


def _mend_parameter(part: str, source: str) -> str:
    """Return `name=value`, or "" for a parameter that only other programs read."""
    name, _, value = part.partition("=")
    if name == "ssl" or (name, value) == ("sslmode", "no-verify"):
        return "sslmode=disable" if value.lower() in ("false", "0", "disable") else "sslmode=require"
    if name.lower() in FOREIGN:
        return ""
    if not name or name == certificate.NAME or name.lower() in _known_parameters():
        return part
    raise ConfigError(
        f"The database address ({source}) has the parameter {name!r}, which PostgreSQL does not know: leave out "
        f"{name}=..."
    )


@cache
def _known_parameters() -> frozenset[str]:
    return frozenset(one.keyword.decode() for one in pq.Conninfo.get_defaults())


def _check(conninfo: str, source: str) -> None:
    """Raise a ConfigError if libpq cannot read the string, or takes a part of the password for something else.

    Where libpq reads a piece of the password as the host, the port or the database, every message that names the host
    would show that piece. The error does not quote the string.
    """
    conninfo, _ = certificate.take_out(conninfo, source)
    try:
        parts = {name: str(value) for name, value in conninfo_to_dict(conninfo).items()}
    except ProgrammingError:
        parts = None
    except UnicodeDecodeError:  # `%80` is one byte, which is no text in UTF-8
        raise ConfigError(
            f"The database address ({source}) has a code like %80 that is no text: write a % of the password as %25"
        ) from None
    # The original is not chained: its text may quote the string, password and all.
    if parts is None:
        raise ConfigError(
            f"The database address ({source}) is not a PostgreSQL connection string; it looks like {EXAMPLE}"
        )
    hosts = [host for host in parts.get("host", "").split(",") if not host.startswith("/")]
    ports = [port for port in parts.get("port", "").split(",") if port]
    if any("@" in text for text in (*hosts, parts.get("dbname", ""))) or not all(port.isdecimal() for port in ports):
        raise _unreadable_password(source)
    if any(set(host) & set(";= ") for host in hosts):  # the parts of another program's address
        raise ConfigError(
            f"The database address ({source}) has ; or = in the host's name: write host=... user=... with spaces "
            f"between them, or {EXAMPLE}"
        )
    for host in hosts:
        try:
            host.encode("idna")  # Python does the same when it connects, but its error is hard to read
        except UnicodeError:
            raise ConfigError(
                f"The database address ({source}) names {host!r}, which cannot be a host: copy the whole line that you "
                "were given; it looks like postgresql://user:password@192.0.2.7:5432/ganns"
            ) from None


def _unreadable_password(source: str) -> ConfigError:
    return ConfigError(
        f"The database address ({source}) cannot be read: in its password, write @ as %40, / as %2F, : as %3A, "
        "? as %3F and % as %25, as in postgresql://user:pass%40word@host:5432/ganns"
    )
