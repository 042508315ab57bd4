"""Open a connection that notices when the other side is gone."""

from __future__ import annotations

from typing import Any

import psycopg

from ganns.db.address import Address
from ganns.db.refusals import explain_refusal
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
