"""Sessions of students that do something other than work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from ganns.db.address import Address
from ganns.db.connect import Connection, connect
from ganns.db.server.programs import CLASS_LOGIN
from ganns.paths import sql_dir
from tests.support.students import Student

ADVISORY = sql.SQL("GRANT EXECUTE ON FUNCTION pg_advisory_lock(bigint) TO {}")
"""What `ganns students add` takes away where it may; on a managed server every login has it."""


@pytest.fixture
def student(conn: Connection, database: Address, enrol: Callable[..., Student]) -> Iterator[Callable[..., Connection]]:
    """Return a function that logs a new student in, or with `shared=True` a class's login; all leave at the end."""
    with ExitStack() as stack:

        def log_in(label: str = "", *, shared: bool = False) -> Connection:
            if shared:
                address = stack.enter_context(_class_login(conn, database))
            else:
                made = enrol(label or f"student {len(started)}")
                conn.execute(ADVISORY.format(sql.Identifier(made.login)))
                stack.callback(_forget, conn, made.login)
                address = made.address
            session = connect(address, application="a student")
            stack.callback(session.close)
            started.append(session)
            return session

        started: list[Connection] = []
        yield log_in


def _forget(conn: Connection, login: str) -> None:
    """Take back what was granted beyond the rights of a student, so that the role can be removed."""
    conn.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(login)))


@contextmanager
def _class_login(conn: Connection, database: Address) -> Iterator[Address]:
    """Yield the address of the login that a class shares on an embedded server, with its rights."""
    role = sql.Identifier(CLASS_LOGIN)
    conn.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'sesame'").format(role))
    try:
        conn.execute((sql_dir() / "schema" / "class_login.sql").read_text("utf-8"))
        yield Address(make_conninfo(database.conninfo, user=CLASS_LOGIN, password="sesame"), "the tests")
    finally:
        conn.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", (CLASS_LOGIN,))
        conn.execute(sql.SQL("DROP OWNED BY {}").format(role))
        conn.execute(sql.SQL("DROP ROLE {}").format(role))


def is_ended(session: Connection) -> bool:
    """Tell whether the server has ended a session; it must not be in the middle of a statement."""
    try:
        session.execute("SELECT 1")
    except psycopg.Error:
        return session.broken or session.closed
    return False
