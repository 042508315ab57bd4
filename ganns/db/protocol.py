"""The protocol that workers and the database speak, as a number.

A worker of the release before goes on in a database of this one: the database knows which numbers it accepts
(`ganns_api.protocol`), and says in one sentence what to type where it accepts one no more. So an open run need not end
when the class is updated. The migrations' numbers say more than a worker needs: most of them change nothing for it.

Raise `PROTOCOL` together with a migration that replaces `ganns_api.protocol`, whenever workers call something new or in
another way; keep what the protocol before calls (tests/db/test_protocol.py lists it).
"""

from __future__ import annotations

import psycopg

from ganns.db.connect import Connection
from ganns.db.migrate import require_current
from ganns.db.queries import execute
from ganns.errors import ProgramTooOld, SchemaOutdated

PROTOCOL = 2
REFUSED = "GN001"
"""The SQLSTATE with which `ganns_api.register` refuses a worker."""


def require_protocol(conn: Connection, protocol: int = PROTOCOL) -> str | None:
    """Check that the database speaks this program's protocol; return a remark for the worker's user, if there is one.

    Raises:
        ProgramTooOld: if this program must be updated.
        SchemaOutdated: if the database must be.
    """
    try:
        row = execute(conn, "protocol", mine=protocol).fetchone()
    except (psycopg.errors.UndefinedFunction, psycopg.errors.InvalidSchemaName):
        require_current(conn)  # its sentence names the migration that is missing
        raise
    assert row is not None
    if row["accepted"]:
        return None if row["sentence"] is None else str(row["sentence"])
    raise (ProgramTooOld if protocol < row["newest"] else SchemaOutdated)(row["sentence"])


def refusal_of(error: BaseException) -> ProgramTooOld | None:
    """Return the refusal that a database's error is, when a worker registers; None for any other error."""
    cause = error if isinstance(error, psycopg.Error) else error.__cause__
    if isinstance(cause, psycopg.Error) and cause.sqlstate == REFUSED:
        return ProgramTooOld(cause.diag.message_primary)
    return None
