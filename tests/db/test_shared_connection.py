"""The shared connection for blobs: it closes when idle, and is cut when it waits for a server that is gone."""

from __future__ import annotations

import threading
import time

import psycopg
import pytest

from ganns.db import connect as connections
from ganns.db.connect import SharedConnection, cut_waiting, note_progress
from tests.support.helpers import wait_until


@pytest.fixture
def make_shared(database, monkeypatch):
    monkeypatch.setenv("GANNS_DATABASE_URL", database.conninfo)
    made = []

    def make(**times):
        made.append(SharedConnection("a test's connection", **times))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_one_connection_for_many_uses(make_shared):
    shared = make_shared()
    for _ in range(3):
        with shared.use() as conn, shared.use() as same:
            assert conn is same
    assert shared.num_opened == 1


def test_it_prepares_nothing(make_shared):
    """Behind a pooler in transaction mode another server process would be asked for it."""
    with make_shared().use() as conn:
        for _ in range(10):
            prepared = conn.execute("SELECT count(*) FROM pg_prepared_statements").fetchone()
    assert prepared == (0,)


def test_it_closes_when_it_is_idle_and_opens_again(make_shared, conn):
    shared = make_shared(idle_s=0.2)
    with shared.use():
        pass
    counted = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'a test''s connection'"
    wait_until(lambda: conn.execute(counted).fetchone() == (0,), what="the idle connection to be closed")
    with shared.use() as again:
        again.execute("SELECT 1")
    assert shared.num_opened == 2


def test_it_stays_open_while_it_is_used(make_shared):
    shared = make_shared(idle_s=0.1)
    with shared.use() as conn:
        conn.execute("SELECT pg_sleep(0.5)")
        conn.execute("SELECT 1")
    assert shared.num_opened == 1


def wait_for_ever(shared):
    """Start a statement without an end on a thread; return (the thread, what it raised)."""
    raised = []

    def statement():
        try:
            with shared.use() as conn:
                conn.execute("SELECT pg_sleep(3600)")
        except psycopg.OperationalError as error:
            raised.append(error)

    thread = threading.Thread(target=statement, daemon=True)
    thread.start()
    wait_until(lambda: shared._busy_since is not None and shared._conn is not None, what="the statement to begin")
    return thread, raised


def test_a_statement_that_hangs_is_cut_after_a_reconnect(make_shared):
    shared = make_shared()
    thread, raised = wait_for_ever(shared)
    assert cut_waiting(older_than_s=1000) == 0
    wait_until(lambda: cut_waiting(older_than_s=0.1), what="the connection to wait long enough")
    thread.join(60)
    assert len(raised) == 1
    with shared.use() as conn:  # and the next one works
        conn.execute("SELECT 1")
    assert shared.num_opened == 2


def test_a_connection_on_which_bytes_move_is_left_alone(make_shared):
    """A slow upload can take minutes: it is not its time that counts, but the time without a byte."""
    shared = make_shared()
    thread, raised = wait_for_ever(shared)
    wait_until(lambda: time.monotonic() - shared._busy_since > 0.3, what="the statement to be older than the limit")
    note_progress(shared._conn)
    assert cut_waiting(older_than_s=0.3) == 0
    wait_until(lambda: cut_waiting(older_than_s=0.3), what="the time without progress")
    thread.join(60)
    assert len(raised) == 1


def test_the_last_resort(make_shared):
    shared = make_shared(stuck_s=0.3)
    thread, raised = wait_for_ever(shared)
    thread.join(60)
    assert len(raised) == 1


def test_connections_that_are_forgotten_are_not_kept(make_shared):
    before = len(connections._shared)
    SharedConnection("forgotten")
    assert len(connections._shared) <= before + 1
