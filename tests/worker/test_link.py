"""The link for blobs: closed when idle, cut when it waits for a server that is not there."""

from __future__ import annotations

import threading

import psycopg
import pytest

from ganns.db import link as links
from ganns.db.link import Link, cut_suspects
from tests.support.helpers import wait_until


@pytest.fixture
def make_link(database, monkeypatch):
    monkeypatch.setenv("GANNS_DATABASE_URL", database.conninfo)
    made = []

    def make(**times):
        made.append(Link("a test's link", **times))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_one_connection_for_many_uses(make_link):
    link = make_link()
    for _ in range(3):
        with link.use() as conn, link.use() as same:
            assert conn is same
    assert link.num_opened == 1


def test_it_prepares_nothing(make_link):
    """Behind a pooler in transaction mode another server process would be asked for it."""
    with make_link().use() as conn:
        for _ in range(10):
            prepared = conn.execute("SELECT count(*) FROM pg_prepared_statements").fetchone()
    assert prepared == (0,)


def test_it_closes_when_it_is_idle_and_opens_again(make_link, conn):
    link = make_link(idle_s=0.2)
    with link.use():
        pass
    counted = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'a test''s link'"
    wait_until(lambda: conn.execute(counted).fetchone() == (0,), what="the idle connection to be closed")
    with link.use() as again:
        again.execute("SELECT 1")
    assert link.num_opened == 2


def test_it_stays_open_while_it_is_used(make_link):
    link = make_link(idle_s=0.1)
    with link.use() as conn:
        conn.execute("SELECT pg_sleep(0.5)")
        conn.execute("SELECT 1")
    assert link.num_opened == 1


def wait_for_ever(link):
    """Start a statement without an end on a thread; return (the thread, what it raised)."""
    raised = []

    def statement():
        try:
            with link.use() as conn:
                conn.execute("SELECT pg_sleep(3600)")
        except psycopg.OperationalError as error:
            raised.append(error)

    thread = threading.Thread(target=statement, daemon=True)
    thread.start()
    wait_until(lambda: link._busy_since is not None and link._conn is not None, what="the statement to begin")
    return thread, raised


def test_a_statement_that_hangs_is_cut_after_a_reconnect(make_link):
    link = make_link()
    thread, raised = wait_for_ever(link)
    assert cut_suspects(older_than_s=1000) == 0
    wait_until(lambda: cut_suspects(older_than_s=0.1), what="the link to be suspect")
    thread.join(60)
    assert len(raised) == 1
    with link.use() as conn:  # and the next one works
        conn.execute("SELECT 1")
    assert link.num_opened == 2


def test_the_last_resort(make_link):
    link = make_link(stuck_s=0.3)
    thread, raised = wait_for_ever(link)
    thread.join(60)
    assert len(raised) == 1


def test_links_that_are_forgotten_are_not_kept(make_link):
    before = len(links._links)
    Link("nobody's")
    assert len(links._links) <= before + 1
