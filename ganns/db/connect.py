"""Open a connection that notices when the other side is gone."""

from __future__ import annotations

import re
from typing import Any

import psycopg

from ganns.db.address import Address
from ganns.errors import DatabaseUnreachable

Connection = psycopg.Connection[Any]

OPTIONS: dict[str, Any] = {
    "connect_timeout": 5,
    # A laptop that changes its network leaves connections that look alive; the operating system finds out.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15000,
}
"""libpq's options for every connection, the workers' included; seconds, the last one milliseconds."""


def connect(
    address: Address, *, autocommit: bool = True, application: str = "ganns", prepare: bool = False
) -> Connection:
    """Connect to `address`.

    Autocommit: a transaction is opened where one is meant (`with conn.transaction()`), never by accident.

    Args:
        address: where.
        autocommit: see above.
        application: as the server shows the connection.
        prepare: whether psycopg prepares what is executed again and again. That saves planning, but behind a pooler in
            transaction mode the next statement may meet a server process that knows nothing of it: only for whoever
            cannot work there anyhow.

    Raises:
        DatabaseUnreachable: with host and port, never the password.
    """
    try:
        return psycopg.connect(
            address.conninfo,
            autocommit=autocommit,
            application_name=application,
            prepare_threshold=5 if prepare else None,
            **OPTIONS,
        )
    except psycopg.OperationalError as error:
        reason = " ".join(str(error).split())
        todo = "Check the address, and that the server is up: `ganns db status`."
        if (meaning := explain_refusal(reason)) is not None:
            todo = f"{meaning[0][0].upper()}{meaning[0][1:]}: {meaning[1]}."
        raise DatabaseUnreachable(
            f"Cannot connect to the database {address} (from {address.source}): {reason} {todo}"
        ) from error


REASONS = (
    (
        r"invalid response to SSL negotiation|expected authentication request",
        "what answers there is no PostgreSQL",
        "compare the port with the line that you were given",
    ),
    (r"password authentication failed", "the password or the login is wrong", "copy the line again, whole"),
    (
        r"no password supplied",
        "the server asks for a password, and the address has none",
        "postgresql://user:PASSWORD@...",
    ),
    (
        r"no pg_hba\.conf entry",
        "the server does not let this machine, login or database in",
        "ask who runs the server: pg_hba.conf, or add ?sslmode=require",
    ),
    (r'database "[^"]*" does not exist', "there is no database of that name", "correct what follows the port"),
    (r'role "[^"]*" does not exist', "there is no such login", "correct what stands before the @"),
    (
        r"too many clients|connection slots|too many connections|max_client_conn",
        "the server has no connection left",
        "ask who runs the server for more max_connections, or a pooler",
    ),
    (
        r"server does not support SSL",
        "the server has no TLS, and the address asks for it",
        "?sslmode=prefer on a network you trust",
    ),
    (
        r"certificate|root\.crt|SSL",
        "TLS failed",
        "the host's name must be the certificate's; ?sslrootcert=system trusts what this machine trusts",
    ),
    (r"timeout expired|timed out", "it does not answer in time", "a firewall, another network, or a server that hangs"),
)
"""(What the server or libpq says, what it means, what to do.)"""


def explain_refusal(text: str) -> tuple[str, str] | None:
    """Return what it means and what to do; None if it is none of the usual reasons."""
    return next(((said, todo) for pattern, said, todo in REASONS if re.search(pattern, text)), None)
