"""A program that waits for a lock says for whom, and ends a student's session that keeps it."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from ganns.db import migrate as schema
from ganns.db import waiting
from ganns.db.address import Address
from ganns.db.connect import Connection, connect
from ganns.db.waiting import telling_who_blocks
from tests.support.helpers import wait_until


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is printed; looked at sooner than a user needs it."""
    texts: list[str] = []
    monkeypatch.setattr(waiting, "_print", texts.append)
    for name in ("LOOK_S", "AFTER_S", "END_S"):
        monkeypatch.setattr(waiting, name, getattr(waiting, name) / 10)
    return texts


def migrating(database: Address) -> threading.Thread:
    def run() -> None:
        with connect(database) as conn:
            schema.migrate(conn)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def test_migrate_says_for_whom_it_waits(conn: Connection, database: Address, said: list[str]) -> None:
    conn.execute("SELECT pg_advisory_lock(%s)", (schema.LOCK,))
    thread = migrating(database)
    wait_until(lambda: said, what="a message")
    assert said[0].startswith(
        f"waiting for a lock: login {conn.info.user} (ganns) holds it, idle, with server process "
    )
    assert thread.is_alive()
    conn.execute("SELECT pg_advisory_unlock(%s)", (schema.LOCK,))
    thread.join(60)
    assert not thread.is_alive()
    assert len(said) == 1


def test_migrate_ends_a_student_who_keeps_its_lock(
    student: Callable[..., Connection], database: Address, said: list[str]
) -> None:
    attacker = student()
    attacker.execute("SELECT pg_advisory_lock(%s)", (schema.LOCK,))
    thread = migrating(database)
    thread.join(60)
    assert not thread.is_alive()
    assert said[0].startswith(f"waiting for a lock: login {attacker.info.user} (a student) holds it")
    assert said[1].startswith(f"ended a session of login {attacker.info.user}: it kept the lock for")


def test_who_does_not_wait_is_not_looked_at(conn: Connection, said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "connect", lambda *args, **options: pytest.fail("another connection was opened"))
    with telling_who_blocks(conn):
        conn.execute("SELECT 1")
        threading.Event().wait(5 * waiting.AFTER_S)
    assert said == []
