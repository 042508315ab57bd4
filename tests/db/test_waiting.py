"""A program that waits for a lock ends a student's session that keeps it: without a run there is no warden."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from ganns.db import migrate as schema
from ganns.db import waiting
from ganns.db.address import Address
from ganns.db.connect import Connection, connect


def test_migrate_ends_a_student_who_keeps_its_lock(
    student: Callable[..., Connection], database: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "LOOK_EVERY_S", 0.05)
    attacker, said = student(shared=True), list[str]()
    attacker.execute("BEGIN")
    attacker.execute("LOCK TABLE ganns.migrations IN SHARE ROW EXCLUSIVE MODE")

    def run() -> None:
        with connect(database) as conn:
            schema.migrate(conn, say=said.append)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(60)
    assert not thread.is_alive()
    assert said[0].startswith(f"waiting for a transaction of the login {attacker.info.user} (process ")
    assert said[1:] == [f"ended a session of the student's login {attacker.info.user}, which kept us waiting"]
