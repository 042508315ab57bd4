"""One session of a scene: a connection whose statement may have to wait.

A statement is sent, and its answer is fetched when it is there. So one thread can drive several sessions, and another
session can go on while this one waits for a lock.
"""

from __future__ import annotations

import json
import select
from contextlib import suppress
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.pq import ExecStatus, TransactionStatus

from ganns.db.address import Address
from ganns.db.connect import Connection, connect
from ganns.errors import DatabaseError

SCHEMA = "scene"
MAX_SHOWN = 4
"""Rows of an answer that are shown."""
BOOLEAN = 16
"""The type's number."""


class SceneSession:
    """A connection with at most one statement in flight."""

    def __init__(self, address: Address, name: str, deadlock_ms: int | None = None) -> None:
        """Connect. The session finds the scene's tables without naming their schema.

        Args:
            address: of the scratch database.
            name: of the session, for the server's lists.
            deadlock_ms: after this time of waiting, the server looks for a deadlock; only a superuser may set it.
        """
        options = f"-c search_path={SCHEMA},pg_catalog -c client_min_messages=warning -c synchronous_commit=off"
        if deadlock_ms is not None:
            options += f" -c deadlock_timeout={deadlock_ms}ms"
        own = Address(make_conninfo(address.conninfo, options=options), address.source)
        self.conn: Connection = connect(own, application=f"ganns microscope: {name}")
        self.name, self.process = name, self.conn.info.backend_pid
        self.in_flight = False
        self.answer, self.failed = "", False
        self.values: dict[str, str | None] = {}  # of the answer's one row
        self.code = ""

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        return self.conn.pgconn.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR)

    @property
    def has_deadlock(self) -> bool:
        """Whether the last error was a deadlock."""
        return self.code == "40P01"

    def send(self, sql: str) -> None:
        """Send a statement; `is_done` tells when its answer is here."""
        self.answer, self.failed, self.values, self.code = "", False, {}, ""
        self.conn.pgconn.send_query(sql.encode())
        self.conn.pgconn.flush()
        self.in_flight = True

    def is_done(self, timeout_s: float) -> bool:
        """Fetch the answer if it comes within a time; return False while the statement runs or waits."""
        pgconn = self.conn.pgconn
        while pgconn.is_busy():
            if not select.select([pgconn.socket], [], [], timeout_s)[0]:
                return False
            pgconn.consume_input()
        while (result := pgconn.get_result()) is not None:
            self._read(result)
        self.in_flight = False
        return True

    def run(self, sql: str) -> None:
        """Run a statement that waits for nobody, and fetch its answer."""
        self.send(sql)
        while not self.is_done(1.0):
            pass

    def ask(self, function: str, argument: str | None = None) -> Any:
        """Return the JSON of one of the microscope's own functions.

        It is called below psycopg, which would take notifications away. The argument is a literal array: "{1,2}".
        """
        place, arguments = ("$1", [argument.encode()]) if argument is not None else ("", None)
        result = self.conn.pgconn.exec_params(f"SELECT microscope.{function}({place})".encode(), arguments)
        if result.status != ExecStatus.TUPLES_OK:
            raise DatabaseError(f"The microscope's {function}() failed: {result.error_message.decode().strip()}")
        return json.loads(result.get_value(0, 0) or b"null")

    def notification(self) -> str:
        """Return the channel of a notification that has come, or "" if there is none."""
        pgconn = self.conn.pgconn
        pgconn.exec_(b"SELECT")  # the server delivers notifications between two statements
        pgconn.consume_input()
        found = pgconn.notifies()
        return found.relname.decode() if found else ""

    def cancel(self) -> None:
        """End the statement in flight, and fetch its answer."""
        self.conn.pgconn.get_cancel().cancel()
        while not self.is_done(1.0):
            pass

    def clear(self) -> None:
        """Undo what is open, and forget the session's settings, locks and channels."""
        if self.in_flight:
            self.cancel()
        if self.in_transaction:
            self.run("ROLLBACK")
        self.run("DISCARD ALL")
        while self.conn.pgconn.notifies():
            pass

    def close(self) -> None:
        """Close the connection."""
        with suppress(psycopg.Error):
            self.conn.close()

    def _read(self, result: Any) -> None:
        status = result.status
        if status == ExecStatus.TUPLES_OK:
            width = range(result.nfields)
            columns = [(result.fname(column) or b"").decode() for column in width]
            types = [result.ftype(column) for column in width]
            rows = [
                [_text(result.get_value(row, column), types[column]) for column in width]
                for row in range(result.ntuples)
            ]
            self.answer = shown(columns, rows)
            first = rows[0] if rows else [None] * len(columns)
            self.values = dict(zip(columns, first, strict=True))
        elif status == ExecStatus.COMMAND_OK:
            self.answer = command_tag((result.command_status or b"").decode())
        else:
            self.failed = True
            self.code = (result.error_field(psycopg.pq.DiagnosticField.SQLSTATE) or b"").decode()
            words = result.error_field(psycopg.pq.DiagnosticField.MESSAGE_PRIMARY) or result.error_message
            self.answer = words.decode(errors="replace").strip()


def _text(value: bytes | None, oid: int) -> str | None:
    if value is None:
        return None
    text = value.decode(errors="replace")
    return {"t": "true", "f": "false"}[text] if oid == BOOLEAN else text


def shown(columns: list[str], rows: list[list[str | None]]) -> str:
    """Return an answer in a line: "n = 1", "id = 1, 2", "no row"."""
    if not rows:
        return "no row"
    if not columns:
        return f"{len(rows)} row{'' if len(rows) == 1 else 's'}"
    if columns == ["?column?"]:
        return ", ".join(_cell(row[0]) for row in rows)
    parts = []
    for column, name in enumerate(columns):
        values = [_cell(row[column]) for row in rows[:MAX_SHOWN]]
        parts.append(f"{name} = {', '.join(values)}{', ...' if len(rows) > MAX_SHOWN else ''}")
    return "; ".join(parts)


def _cell(value: str | None) -> str:
    if value is None:
        return "NULL"
    return value if len(value) <= 40 else value[:37] + "..."


def command_tag(tag: str) -> str:
    """Return a command's tag in words: "INSERT 0 1" is "1 row"; of COMMIT and the like there is nothing to say."""
    command, _, rest = tag.partition(" ")
    if command in ("INSERT", "UPDATE", "DELETE", "MERGE"):
        num = rest.rpartition(" ")[2]
        return f"{num} row{'' if num == '1' else 's'}"
    return "" if command != "ROLLBACK" else "undone"
