"""Nothing is staged here: real runs by a real coordinator and worker, watched, steered and compared in a browser."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from ganns.db.address import Address
from ganns.db.connect import connect
from ganns.db.migrate import migrate
from ganns.db.server.embedded import EmbeddedServer
from ganns.worker.launch import Process, start_worker, stop_workers
from tests.dashboard.browsing import PASSWORD
from tests.dashboard.conftest import serving
from tests.support.helpers import ROOT, wait_until

SETTINGS = ("experiment=smoke", "data.count=512", "sample_every=2", "evaluate.every=0")


def train(address: Address, log: Path, *settings: str) -> subprocess.Popen[bytes]:
    with log.open("ab") as stream:
        return subprocess.Popen(
            [sys.executable, "-m", "ganns", "train", *SETTINGS, *settings, f"hydra.run.dir={log.parent / log.stem}"],
            cwd=ROOT,
            env=os.environ | {"GANNS_DATABASE_URL": address.conninfo, "GANNS_HOME": str(log.parent / "home")},
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )


@contextmanager
def closing(worker: Process) -> Iterator[None]:
    try:
        yield
    finally:
        stop_workers([worker])


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_class_watches_steers_and_compares_real_runs(page: Page, empty_database: Address, tmp_path: Path) -> None:
    log = tmp_path / "first.log"
    worker = start_worker(empty_database, "anna", 1, tmp_path / "worker.log")
    with closing(worker), serving(empty_database, tmp_path, GANNS_DASHBOARD_PASSWORD=PASSWORD) as site:
        page.goto(site.url)
        expect(page.get_by_role("heading", level=1)).to_contain_text("No run yet")
        first = train(empty_database, log, "name=first", "stop.rounds=1000000")
        try:
            # The round advances, and grids come, without a reload.
            wait_until(lambda: "is open" in log.read_text(), 120, log.read_text, every_s=0.2)
            page.goto(site.url)
            version = page.locator(".figure", has=page.get_by_text("version", exact=True)).locator("strong")
            expect(version).to_have_text(re.compile(r"^[1-9]"))
            seen = int(version.inner_text().replace(",", ""))
            page.wait_for_function(
                "seen => Number(document.querySelector('.figure strong').textContent.replace(',', '')) > seen + 3",
                arg=seen,
            )
            picture, slider = page.locator(".samples img"), page.get_by_role("slider", name="Version")
            slider.press("Home")
            expect(picture).to_have_attribute("src", "/samples/1/0.webp")
            slider.press("ArrowRight")
            expect(picture).not_to_have_attribute("src", "/samples/1/0.webp")
            page.wait_for_function("document.querySelector('.samples img').naturalWidth > 0")
            page.goto(f"{site.url}/people")
            expect(page.get_by_role("table").get_by_role("link", name="anna")).to_be_visible()

            # A viewer changes nothing: there is no button, and the request is refused.
            page.goto(f"{site.url}/control")
            expect(page).to_have_url(re.compile("/login"))
            refused = page.request.post(f"{site.url}/control/runs/1/stop", data={}, headers={"Origin": site.url})
            assert refused.status in (401, 403)
            with connect(empty_database) as conn:
                assert conn.execute("SELECT wanted FROM ganns.runs").fetchone() == ("run",)

            # The instructor stops it, and the coordinator ends by itself, leaving it resumable.
            page.get_by_label("Password").fill(PASSWORD)
            page.keyboard.press("Enter")
            expect(page).to_have_url(f"{site.url}/control")
            page.get_by_role("button", name=re.compile("^Stop")).first.click()
            page.get_by_role("dialog").get_by_role("button", name=re.compile("^Stop")).click()
            assert first.wait(180) == 0, log.read_text()
            page.goto(f"{site.url}/run/1")
            expect(page.locator("#main")).to_contain_text("ganns train resume=1")
        finally:
            first.kill()
            first.wait()

        # A second run, to its end; both beside each other.
        second = train(empty_database, tmp_path / "second.log", "name=second", "stop.rounds=6", "optimizer.lr_g=0.001")
        assert second.wait(240) == 0, (tmp_path / "second.log").read_text()
        page.goto(f"{site.url}/compare?run=1&run=2")
        settings = page.get_by_role("table", name="Settings that differ")
        expect(settings).to_contain_text(re.compile(r"optimizer.lr_g\s*0.0002\s*0.001"))
        expect(page.get_by_role("img", name=re.compile("^Samples of run"))).to_have_count(2)
        page.goto("about:blank")  # the dashboard ends, and this page would complain


@pytest.mark.slow
def test_sigterm_ends_the_dashboards_own_database_too(tmp_path: Path) -> None:
    """The web server sends itself the signal again when it has closed; by default that ends the process at once."""
    home = tmp_path / "home"
    with EmbeddedServer(home / "pg") as server, connect(server.address) as conn:
        migrate(conn)
    with serving(Address("", "of this machine"), tmp_path, GANNS_HOME=str(home)) as site:
        assert (home / "pg" / "postmaster.pid").exists()
        site.process.terminate()
        site.process.join(60)
        assert site.process.exitcode == 130, site.log.read_text()
    assert not (home / "pg" / "postmaster.pid").exists()
