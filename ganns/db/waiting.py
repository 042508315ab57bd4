"""Say for whom a statement waits: a session with an open transaction can stop a migration for as long as it likes.

A student's session is ended, as the warden does while a run is trained (`ganns/coordinator/warden.py`).
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
from psycopg.conninfo import make_conninfo

from ganns.db.address import Address
from ganns.db.connect import Connection, connect
from ganns.db.queries import execute
from ganns.errors import DatabaseUnreachable

LOOK_EVERY_S = 2.0
END_LOOKS = 2
"""Number of looks in a row after which a student's session that blocks us is ended."""


@contextmanager
def telling_for_whom(conn: Connection, say: Callable[[str], None] | None) -> Iterator[None]:
    """While the block runs, tell `say` once about each session for which a statement of `conn` waits.

    A connection that waits cannot ask, so a thread asks over another one. It connects after two seconds, not before.
    """
    if say is None:
        yield
        return
    over, row = threading.Event(), execute(conn, "my_pid").fetchone()
    assert row is not None
    address = Address(make_conninfo(conn.info.dsn, password=conn.info.password or None), "the same database")
    thread = threading.Thread(target=_watch, args=(address, row["pid"], say, over), name="waiting", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(LOOK_EVERY_S)


def _watch(address: Address, pid: int, say: Callable[[str], None], over: threading.Event) -> None:
    told, looks = set(), Counter[int]()
    try:
        if over.wait(LOOK_EVERY_S):
            return
        with connect(address, application="ganns: who blocks") as conn:
            while True:
                rows = execute(conn, "who_blocks", pid=pid).fetchall()
                for row in rows:
                    if row["pid"] not in told:
                        told.add(row["pid"])
                        say(_sentence(**row))
                looks = Counter({row["pid"]: looks[row["pid"]] + 1 for row in rows})
                if long := [number for number, num in looks.items() if num > END_LOOKS]:
                    for row in execute(conn, "end_students", pids=long).fetchall():
                        say(f"ended a session of the student's login {row['login']}, which kept us waiting")
                if over.wait(LOOK_EVERY_S):
                    return
    except (psycopg.Error, DatabaseUnreachable):
        return  # the block itself will say that the server is away


def _sentence(pid: int, login: str, open_s: float | None) -> str:
    since = "" if open_s is None else f", open for {open_s:.0f} s"
    return (
        f"waiting for a transaction of the login {login} (process {pid}{since}). To end it, type in psql: "
        f"SELECT pg_terminate_backend({pid})"
    )
