"""What a worker's line says when something went wrong with the database."""

from __future__ import annotations

import psycopg
import pytest
from procrastinate import exceptions

from ganns.worker.resilient_manager import trouble


def wrapped(cause: Exception) -> Exception:
    error = exceptions.ConnectorException()
    error.__cause__ = cause
    return error


@pytest.mark.parametrize("wrap", [lambda error: error, wrapped])
@pytest.mark.parametrize(
    ("error", "says"),
    [
        (psycopg.OperationalError("connection reset"), "the database does not answer: OperationalError: connection"),
        (ConnectionResetError("reset"), "the database does not answer: ConnectionResetError: reset"),
        (psycopg.errors.AdminShutdown("bye"), "the database does not answer: AdminShutdown: bye"),
        (psycopg.errors.SerializationFailure("again"), "the database refuses: SerializationFailure: again"),
        (psycopg.errors.InsufficientPrivilege("no"), "the database refuses: InsufficientPrivilege: no"),
        (psycopg.errors.UndefinedTable("gone"), "the database refuses: UndefinedTable: gone"),
        (psycopg.NotSupportedError("date 28/11"), "the server's answer cannot be read, a setting of the server may be"),
        (psycopg.DataError("date 28/11"), "the server's answer cannot be read, a setting of the server may be"),
        (NotImplementedError("interval"), "the server's answer cannot be read, a setting of the server may be"),
        (KeyError("id"), "a fault of this program, please report it: KeyError: "),
    ],
)
def test_it_says_what_is_wrong(error: Exception, says: str, wrap) -> None:
    assert trouble(wrap(error)).startswith(says)
