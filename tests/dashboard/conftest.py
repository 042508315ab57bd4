"""A dashboard in a process of its own, over the traces of a lesson, and a real browser to look at it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from benchmarks.lesson import Lesson
from ganns.db.address import Address
from ganns.db.connect import connect
from ganns.db.migrate import migrate
from ganns.db.server.embedded import EmbeddedServer
from tests.support.helpers import ROOT, free_port, wait_until

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WIDE, PHONE = (1600, 900), (390, 844)


@dataclass
class Site:
    """A dashboard that is being served."""

    url: str
    address: Address
    log: Path
    process: subprocess.Popen[bytes]


@contextmanager
def serving(address: Address, folder: Path, *options: str, **variables: str) -> Iterator[Site]:
    """Run `ganns dashboard`, as a user does, until the end of the block."""
    port, log = free_port(), folder / "dashboard.log"
    # NiceGUI would take the process for one of its own tests.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
    with log.open("ab") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "ganns", "dashboard", "--port", str(port), *options],
            cwd=ROOT,
            env=environment | {"GANNS_DATABASE_URL": address.conninfo, "PYTHONUNBUFFERED": "1", **variables},
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        assert process.poll() is None, log.read_text()
        with suppress(OSError), urllib.request.urlopen(url + "/", timeout=5):
            return True
        return False

    try:
        wait_until(answers, 90, lambda: f"the dashboard to answer: {log.read_text()}", every_s=0.2)
        yield Site(url, address, log, process)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def class_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    """Yield a migrated database of this module's own."""
    with EmbeddedServer(tmp_path_factory.mktemp("class") / "pg") as server:
        with connect(server.address) as conn:
            migrate(conn)
        yield server.address


@pytest.fixture(scope="module")
def lesson(class_database: Address) -> Iterator[Lesson]:
    """Yield a class of six at work on a run with 60 closed rounds; the tests of a module go on with it."""
    with connect(class_database) as conn:
        one = Lesson(conn)
        one.past(60, samples=7, evaluate_every=20)
        yield one


@pytest.fixture(scope="module")
def site(lesson: Lesson, class_database: Address, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Yield a dashboard that shows the lesson."""
    with serving(class_database, tmp_path_factory.mktemp("site")) as one:
        yield one


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Yield a headless Chromium, Debian's, for a module and no longer.

    Playwright keeps an event loop running in this thread, and whoever calls `asyncio.run` meanwhile is refused.
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
        if message.type in ("error", "warning"):
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
