"""A dashboard in a process of its own, over the traces of a lesson, and a real browser to look at it."""

from __future__ import annotations

import os
import shutil
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from copy import copy
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright
from psycopg import sql
from psycopg.conninfo import make_conninfo

from benchmarks.lesson import Lesson
from ganns.db.address import Address
from ganns.db.connect import connect
from ganns.db.migrate import set_search_path
from tests.dashboard.forked import run_dashboard
from tests.support.helpers import free_port, wait_until

FORKSERVER = get_context("forkserver")
FORKSERVER.set_forkserver_preload(["ganns.dashboard.server", "tests.dashboard.forked"])
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WIDE, PHONE = (1600, 900), (390, 844)


@dataclass
class Site:
    """A dashboard that is being served."""

    url: str
    address: Address
    log: Path
    process: ForkServerProcess


@contextmanager
def serving(address: Address, folder: Path, *options: str, **variables: str) -> Iterator[Site]:
    """Run `ganns dashboard`, as a user does, until the end of the block.

    A process that has imported the dashboard forks a new one for each site: the imports cost most of a start.
    """
    port, log = free_port(), folder / "dashboard.log"
    variables = {"GANNS_DATABASE_URL": address.conninfo, **variables}
    process = FORKSERVER.Process(target=run_dashboard, args=(("--port", str(port), *options), variables, str(log)))
    process.start()
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        assert process.is_alive(), log.read_text()
        with suppress(OSError), urllib.request.urlopen(url + "/", timeout=5):
            return True
        return False

    try:
        wait_until(answers, 90, lambda: f"the dashboard to answer: {log.read_text()}", every_s=0.1)
        yield Site(url, address, log, process)
    finally:
        process.terminate()
        process.join(20)
        process.kill()
        process.join()


def _create(server: SimpleNamespace, name: str, template: str) -> Address:
    """Return a new database that is a copy of `template`."""
    parts = {key: getattr(server, key) for key in ("host", "port", "user", "password")}
    with psycopg.connect(make_conninfo(**parts, dbname="postgres"), autocommit=True) as conn:
        conn.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        conn.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template)))
    address = Address(make_conninfo(**parts, dbname=name), "the tests")
    with psycopg.connect(address.conninfo) as conn:
        set_search_path(conn)  # a copy has its template's tables, but not the settings of roles
    return address


def _name(request: pytest.FixtureRequest) -> str:
    return f"dashboard_{os.getpid()}_{request.node.name.rpartition('/')[2].removesuffix('.py')}"


@pytest.fixture(scope="session")
def finished_lesson(server: SimpleNamespace, migrated: Any) -> tuple[str, Lesson]:
    """Return the name of a database with a class of six at work on a run with 60 closed rounds, and its lesson."""
    name = f"dashboard_{os.getpid()}_lesson"
    with connect(_create(server, name, migrated.template_dbname)) as conn:
        one = Lesson(conn)
        one.past(60, samples=7, evaluate_every=20)
    return name, one


@pytest.fixture(scope="module")
def empty_database(server: SimpleNamespace, migrated: Any, request: pytest.FixtureRequest) -> Address:
    """Return a migrated database of this module's own, without a run."""
    return _create(server, f"{_name(request)}_empty", migrated.template_dbname)


@pytest.fixture(scope="module")
def class_database(
    server: SimpleNamespace, finished_lesson: tuple[str, Lesson], request: pytest.FixtureRequest
) -> Address:
    """Return a database of this module's own, with the lesson."""
    return _create(server, _name(request), finished_lesson[0])


@pytest.fixture(scope="module")
def lesson(class_database: Address, finished_lesson: tuple[str, Lesson]) -> Iterator[Lesson]:
    """Yield the lesson; the tests of a module go on with it."""
    one = copy(finished_lesson[1])
    with connect(class_database) as one.conn:
        one.beat()  # the copy has old heartbeats
        yield one


@pytest.fixture(scope="module")
def site(lesson: Lesson, class_database: Address, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Yield a dashboard that shows the lesson."""
    with serving(class_database, tmp_path_factory.mktemp("site")) as one:
        yield one


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Yield a headless Chromium, Debian's, for a module and no longer.

    Playwright keeps an event loop running in this thread, and a call of `asyncio.run` meanwhile is refused.
    """
    if CHROMIUM is None:
        pytest.skip("there is no chromium here: apt-get install chromium")
    expect.set_options(timeout=60_000)  # a machine that is busy is no failure
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"]) as one,
    ):
        yield one


@dataclass
class Watched:
    """What a page complained about."""

    complaints: list[str] = field(default_factory=list)

    def console(self, message: ConsoleMessage) -> None:
        # A page that is left while it still connects says so: that is no fault.
        if message.type in ("error", "warning") and "closed before the connection is established" not in message.text:
            self.complaints.append(message.text)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Yield an empty page of a projector's size; a script that failed, or said so, fails the test."""
    context = browser.new_context(viewport={"width": WIDE[0], "height": WIDE[1]}, locale="en-US")
    one, watched = context.new_page(), Watched()
    one.set_default_timeout(60_000)
    one.on("console", watched.console)
    one.on("pageerror", lambda error: watched.complaints.append(str(error)))
    yield one
    context.close()
    assert watched.complaints == []


SMOKE = "test_a_new_round_shows_by_itself"
"""The one browser test of `make test`; `make test-all` runs them all."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need a browser as slow, but for one."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()) and item.name.partition("[")[0] != SMOKE:
            item.add_marker(pytest.mark.slow)
