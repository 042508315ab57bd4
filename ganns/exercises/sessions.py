"""Sessions of one PostgreSQL whose steps run in a fixed order.

A statement that may have to wait for another session's lock runs on a thread. The server tells whether it waits; the
check does not guess it from the time that passed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from ganns.db.address import Address
from ganns.db.connect import Connection, connect
from ganns.exercises.learner import LearnersError

SCHEMA = "exercise"
STATEMENT_S = 20
"""The server ends a statement that takes longer: a loop, or a lock that no session releases."""


class DatabaseSession:
    """One worker's connection. Each call is in a transaction, which `commit` or `rollback` ends."""

    def __init__(self, conn: Connection) -> None:
        """Use an open connection."""
        self.conn = conn
        self.process = conn.info.backend_pid

    def call(self, function: str, *arguments: Any) -> list[tuple[Any, ...]]:
        """Call a function of the schema and return its rows.

        Raises:
            LearnersError: with the server's message.
        """
        places = sql.SQL(", ").join([sql.Placeholder()] * len(arguments))
        statement = sql.SQL("SELECT * FROM {}({})").format(sql.Identifier(SCHEMA, function), places)
        try:
            return self.conn.execute(statement, arguments).fetchall()
        except psycopg.Error as error:
            self.conn.rollback()
            raise LearnersError(f"{SCHEMA}.{function}() stopped with an error.\n{_words(error)}") from error

    def commit(self) -> None:
        """Commit the transaction: other sessions then see its changes."""
        self.conn.commit()

    def rollback(self) -> None:
        """Undo the transaction."""
        self.conn.rollback()

    def committed(self, function: str, *arguments: Any) -> list[tuple[Any, ...]]:
        """Call a function in a transaction of its own."""
        rows = self.call(function, *arguments)
        self.commit()
        return rows


class Later:
    """A call on a thread, because it may have to wait for another session."""

    def __init__(self, session: DatabaseSession, watcher: DatabaseSession, function: str, *arguments: Any) -> None:
        """Start the call, and return when it has ended or waits for a lock."""
        self._rows: list[tuple[Any, ...]] | None = None
        self._error: LearnersError | None = None
        self._thread = threading.Thread(target=self._run, args=(session, function, arguments))
        self._thread.start()
        self.waited = False
        while self._thread.is_alive() and not self.waited:  # the server ends a statement after STATEMENT_S
            self.waited = bool(watcher.committed("is_waiting", session.process)[0][0])
            time.sleep(0.01)

    def _run(self, session: DatabaseSession, function: str, arguments: tuple[Any, ...]) -> None:
        try:
            self._rows = session.call(function, *arguments)
        except LearnersError as error:
            self._error = error

    def rows(self) -> list[tuple[Any, ...]]:
        """Wait for the call's end, and return its rows or raise its error."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        assert self._rows is not None
        return self._rows


@contextmanager
def three_sessions(address: Address) -> Iterator[tuple[DatabaseSession, DatabaseSession, DatabaseSession]]:
    """Yield three sessions of the server at `address`."""
    conninfo = make_conninfo(address.conninfo, options=f"-c statement_timeout={STATEMENT_S}s")
    patient = Address(conninfo, address.source)
    with (
        connect(patient, autocommit=False, application="ada") as ada,
        connect(patient, autocommit=False, application="bob") as bob,
        connect(patient, autocommit=False, application="watcher") as watcher,
    ):
        yield DatabaseSession(ada), DatabaseSession(bob), DatabaseSession(watcher)


def load(session: DatabaseSession, file: Path) -> None:
    """Run a file of SQL.

    Raises:
        LearnersError: with the server's words, and the line.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LearnersError(f"{file.name} cannot be read: {error}.") from error
    try:
        session.conn.execute(text.encode())
        session.commit()
    except psycopg.Error as error:
        session.rollback()
        position = error.diag.statement_position
        where = f"line {text.count(chr(10), 0, int(position) - 1) + 1} of " if position else ""
        raise LearnersError(f"The server refuses {where}{file.name}.\n{_words(error)}") from error


def _words(error: psycopg.Error) -> str:
    """Return the server's message and its hint."""
    if isinstance(error, psycopg.errors.QueryCanceled):
        return f"It had not ended after {STATEMENT_S} s: a loop that never ends, or a lock that no session releases."
    lines = [str(error.diag.message_primary or error).strip(), error.diag.message_hint, error.diag.context]
    return "\n".join(line for line in lines if line)
