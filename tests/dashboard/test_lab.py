"""The failure lab: real workers, really harmed, while a real run goes on. That each harm happened is asserted."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from ganns.config import StopConfig
from ganns.dashboard.lab import quiz
from ganns.dashboard.lab.harms import HARMS
from ganns.dashboard.lab.keeper import end
from ganns.dashboard.lab.proxy import Proxy
from ganns.db.address import Address
from ganns.db.connect import connect
from ganns.db.migrate import migrate
from ganns.db.server.embedded import EmbeddedServer
from tests.dashboard.ballots import killed
from tests.dashboard.browsing import PASSWORD, instructing, visiting
from tests.dashboard.conftest import Site, serving
from tests.support.coordinators import Coordinator
from tests.support.fakes import tiny
from tests.support.helpers import ROOT, wait_until


@dataclass
class Lab:
    """A dashboard with a lab, an instructor who is logged in, and a run."""

    site: Site
    client: httpx.Client
    server: EmbeddedServer
    run: Coordinator

    def order(self, what: str, number: int = 0) -> str:
        answer = self.client.post(f"/lab/{what}", json={"number": number})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["text"])

    def state(self) -> dict[str, Any]:
        return dict(self.client.get("/lab/state").json())

    def pids(self, state: str) -> list[int]:
        return [pid for one in self.state()["workers"] if one["state"] == state for pid in one["pids"]]

    def goes_on(self) -> None:
        """Wait until some more rounds are closed."""
        num = len(self.run.reports)
        wait_until(lambda: len(self.run.reports) >= num + 3, 120, lambda: f"more rounds: {self.run.said}", 0.1)


def is_there(pid: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    return False


def status(pid: int) -> str:
    with suppress(psutil.NoSuchProcess):
        return str(psutil.Process(pid).status())
    return "gone"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """Yield the embedded server of a user who has nothing else."""
    with EmbeddedServer(tmp_path_factory.mktemp("home") / "pg") as one:
        with connect(one.address) as conn:
            migrate(conn)
        yield one


def in_a_loop(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run it on a thread of its own: the browser's driver has a loop in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


def dashboard(server: EmbeddedServer, folder: Path) -> Any:
    variables = {"GANNS_DASHBOARD_PASSWORD": PASSWORD, "GANNS_HOME": str(server.data_dir.parent)}
    return serving(server.address, folder, "--failure-lab", GANNS_DATABASE_URL="", **variables)


@pytest.fixture(scope="module")
def lab(server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Yield a lab without workers, and a run that is never over."""
    run = Coordinator(server.address, tiny(stop=StopConfig(rounds=1_000_000)))
    wait_until(lambda: run.run_id or not run.thread.is_alive(), what="the run to begin: the lab's page follows it")
    try:
        with dashboard(server, tmp_path_factory.mktemp("lab")) as site, instructing(site.url) as client:
            yield Lab(site, client, server, run)
    finally:
        run.stop.set()
        run.thread.join(60)


@pytest.mark.slow
def test_the_class_survives_the_lab(lab: Lab) -> None:
    """One test, since three workers take a while to start."""
    assert re.fullmatch(r"Started lab-\d+, lab-\d+, lab-\d+\.", lab.order("start", 3))
    lab.goes_on()
    wait_until(lambda: len(lab.pids("running")) == 9, 60, "three supervisors, their workers and spare processes", 0.1)
    slow_two_down(lab)
    stop_one(lab)
    restart_the_database(lab)
    kill_a_third(lab)
    there = lab.pids("running")
    lab.order("end")
    assert lab.pids("running") == []
    wait_until(lambda: not any(is_there(pid) for pid in there), 30, "all of them to be gone")


def slow_two_down(lab: Lab) -> None:
    lab.order("slow")
    slow = [one["pids"] for one in lab.state()["workers"] if one["state"] == "slow"]
    assert len(slow) == 2
    for supervisor, *computing in slow:
        for wanted in (True, False):  # in turn
            wait_until(lambda c=computing, w=wanted: (status(c[0]) == "stopped") is w, 30, "a rest, and its end")
        assert status(supervisor) != "stopped"
    lab.goes_on()
    lab.order("fast")
    computing = [pid for pids in slow for pid in pids]
    wait_until(lambda: "stopped" not in [status(pid) for pid in computing], 30, "both to run")
    assert lab.pids("slow") == []


def stop_one(lab: Lab) -> None:
    lab.order("stop")
    stopped = lab.pids("stopped")
    assert [status(pid) for pid in stopped] == ["stopped"] * 3
    lab.goes_on()
    lab.order("continue")
    wait_until(lambda: "stopped" not in [status(pid) for pid in stopped], 30, "all to run again")
    assert lab.pids("stopped") == []


def restart_the_database(lab: Lab) -> None:
    file = lab.server.data_dir / "postmaster.pid"
    before = file.read_text().split()[0]
    assert lab.order("restart") == "Restarted the embedded PostgreSQL."
    assert file.read_text().split()[0] != before
    lab.goes_on()
    wait_until(lambda: lab.client.get("/").status_code == 200, 60, "the dashboard to read again", 0.2)
    wait_until(lambda: len(lab.pids("running")) == 9, 60, "all processes, spare ones too", 0.1)


def kill_a_third(lab: Lab) -> None:
    before = lab.pids("running")
    said = lab.order("kill")
    killed = [one for one in lab.state()["workers"] if one["state"] == "killed"]
    assert said == f"Killed {killed[0]['name']}."
    assert len(killed) == 1
    left = lab.pids("running")
    assert len(left) == 6
    wait_until(lambda: not any(is_there(pid) for pid in set(before) - set(left)), 30, "its processes to be gone")
    lab.goes_on()


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_what_the_lab_started_ends_with_the_dashboard(
    server: EmbeddedServer, tmp_path: Path, how: signal.Signals
) -> None:
    with dashboard(server, tmp_path) as site, instructing(site.url) as client:
        client.post("/lab/start", json={"number": 2}).raise_for_status()

        def pids() -> list[int]:
            return [pid for one in client.get("/lab/state").json()["workers"] for pid in one["pids"]]

        wait_until(lambda: len(pids()) == 6, 60, "two supervisors, their workers and spare processes", 0.1)
        client.post("/lab/stop", json={"number": 0}).raise_for_status()  # one of them could not even answer
        there = pids()
        os.kill(site.process.pid, how)
        wait_until(lambda: not any(is_there(pid) for pid in there), 60, "all of it to end", 0.1)
        site.process.join(60)
        assert not site.process.is_alive()
        assert "Traceback" not in site.log.read_text()


def test_the_lab_is_for_instructors_and_answers_in_words(lab: Lab) -> None:
    with visiting(lab.site.url) as stranger:
        assert stranger.get("/lab").headers["location"] == "/login"
        assert stranger.get("/lab/state").status_code == 401
        assert stranger.post("/lab/start", json={"number": 1}).status_code == 401
    foreign = {"Origin": "https://evil.example"}
    assert lab.client.post("/lab/start", json={"number": 1}, headers=foreign).status_code == 403
    assert lab.client.post("/lab/start", json={"number": 1}, headers={"X-CSRF-Token": ""}).status_code == 403
    for what, number, words in (
        ("start", 13, "Choose from 1 to 12."),
        ("start", 0, "Choose from 1 to 12."),
        ("kill", 0, "start some first"),
        ("continue", 0, "stop one first"),
        ("fast", 0, "slow two down first"),
        ("latency", 5000, "choose from 0 to 2000"),
    ):
        answer = lab.client.post(f"/lab/{what}", json={"number": number})
        assert answer.status_code == 409
        assert words in answer.json()["detail"]
    assert lab.client.post("/lab/rm", json={"number": 0}).status_code == 422
    assert not [one for one in lab.state()["workers"] if one["pids"]]


def test_anyone_votes_only_instructors_ask_and_nonsense_is_refused(lab: Lab) -> None:
    vote = {"number": 1, "voter": f"{7:032x}", "wait": 0, "lost": 0}
    with visiting(lab.site.url) as phone:
        assert phone.post("/vote", json=vote | {"number": 99}).status_code == 409
        assert phone.post("/lab/ask/kill", json={"number": 0}).status_code == 401
        assert lab.client.post("/lab/ask/rm", json={"number": 0}).status_code == 422
        assert lab.client.post("/lab/ask/fast", json={"number": 0}).status_code == 409
        asked = lab.client.post("/lab/ask/latency", json={"number": 300})
        assert asked.json()["text"] == "The class votes: A slow network: 300 ms."
        vote["number"] = phone.get("/vote/state").json()["ballot"]["number"]
        for change in ({"voter": "me"}, {"wait": 5}, {"lost": -1}, {"number": 0}):
            assert phone.post("/vote", json=vote | change).status_code == 422
        assert phone.post("/vote", json=vote, headers={"Origin": "https://evil.example"}).status_code == 403
        assert phone.post("/vote", json=vote).status_code == 200
        assert phone.post("/vote", json=vote | {"wait": 2}).status_code == 200
        ballot = phone.get("/vote/state").json()["ballot"]
        assert (ballot["num_votes"], ballot["state"]) == (1, "open")
        assert "set-cookie" not in phone.get("/vote").headers
    assert lab.state()["ballot"]["num_votes"] == 1


def test_the_page(lab: Lab, page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANNS_HOME", str(lab.server.data_dir.parent))
    quiz.keep(killed())
    page.goto(lab.site.url + "/login")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Failure lab").click()
    expect(page.get_by_role("button", name="Kill a third of them")).to_be_disabled()
    expect(page.get_by_role("button", name="Restart PostgreSQL")).to_be_enabled()
    expect(page.get_by_role("button", name="Ask the class first: Kill a third")).to_be_disabled()
    expect(page.get_by_role("heading", name="The class predicts")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="answers").click()
    assert "15 to 30 s" in download.value.path().read_text()
    page.get_by_label("ms", exact=True).fill("150")
    page.get_by_role("button", name="Set the delay").click()
    expect(page.get_by_role("status").filter(has_text="150 ms in each direction")).to_be_visible()
    expect(page.get_by_role("listitem").filter(has_text="Nothing fails, nothing is queued again.")).to_be_visible()
    page.get_by_label("ms", exact=True).fill("0")
    page.get_by_role("button", name="Set the delay").click()
    expect(page.get_by_text("now 0 ms")).to_be_visible()
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        violations = Axe().run(page).response["violations"]
        assert [one["id"] for one in violations if one["impact"] in ("serious", "critical")] == []
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_delay_lies_between_the_workers_and_the_database(server: EmbeddedServer) -> None:
    async def through() -> tuple[float, bytes, bool]:
        proxy = Proxy(server.address)
        conninfo = await proxy.open()
        async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as conn:
            proxy.delay_s = 0.2
            begun = time.monotonic()
            await conn.execute("SELECT 1")
            passed = time.monotonic() - begun
            proxy.delay_s = 0.0
            cursor = await conn.execute("SELECT decode(repeat('ab', 3000000), 'hex')")  # many pieces, in order
            row = await cursor.fetchone()
            assert row is not None
            await proxy.close()
            cut = False
            try:
                await conn.execute("SELECT 1")
            except psycopg.OperationalError:
                cut = True
            return passed, row[0], cut

    passed, content, cut = in_a_loop(through())
    assert passed >= 0.4  # there and back
    assert content == b"\xab" * 3_000_000
    assert cut


def test_only_the_embedded_server_is_restarted() -> None:
    from ganns.dashboard.lab.actions import Lab
    from ganns.errors import DashboardError

    lab = Lab(Address("postgresql://ada@db.example/ganns", "GANNS_DATABASE_URL"))
    with pytest.raises(DashboardError, match="restart it on its own machine"):
        in_a_loop(lab.order("restart", 0))


def test_what_does_not_leave_is_killed() -> None:
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(600)"
    stubborn = psutil.Popen(["python3", "-c", code], stdout=-1)
    assert stubborn.stdout.readline() == b"1\n"
    stubborn.suspend()
    end([psutil.Process(stubborn.pid)], grace_s=0.2)
    assert stubborn.wait(30) == -signal.SIGKILL
    stubborn.stdout.close()


def test_every_test_that_the_lab_names_exists() -> None:
    code = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    for harm in HARMS.values():
        for name in harm.tests:
            assert re.search(rf"def {name}\(", code), name
