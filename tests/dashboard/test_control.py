"""The instructor's page, in a real browser; and what its orders answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from psycopg.conninfo import make_conninfo

from benchmarks.lesson import Lesson
from ganns.db.address import Address
from ganns.monitor.snapshot import look_at_run
from tests.dashboard.browsing import PASSWORD, instructing
from tests.dashboard.conftest import PHONE, WIDE, Site, serving


@pytest.fixture(scope="module")
def steered(class_database: Address, lesson: Lesson, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Yield a dashboard with a known password, and a class of which one machine is known to the task framework."""
    lesson.conn.execute(
        "INSERT INTO ganns.task_workers (worker_id, name, tasks) VALUES (%s, 'anna', '{}')", (lesson.workers[0],)
    )
    with serving(class_database, tmp_path_factory.mktemp("steered"), GANNS_DASHBOARD_PASSWORD=PASSWORD) as site:
        yield site


def log_in(page: Page, site: Site) -> None:
    page.goto(site.url)
    expect(page.get_by_role("link", name="Log in as instructor")).to_have_attribute("href", "/login")
    page.goto(f"{site.url}/login")  # a click while the page is still drawn can be lost
    page.get_by_label("Password").fill(PASSWORD)
    with page.expect_response(re.compile("/control/runs/")):  # the orders so far: the page is complete
        page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Instructor", level=1)).to_be_visible()


def test_an_instructor_pauses_and_resumes_and_every_viewer_sees_it(page: Page, steered: Site, lesson: Lesson) -> None:
    log_in(page, steered)
    viewer = page.context.browser.new_page()  # type: ignore[union-attr]
    viewer.goto(steered.url)
    run = page.get_by_role("article", name=f"Run {lesson.run}")
    run.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("status").filter(has_text="pauses as soon as")).to_be_visible()
    expect(run).to_contain_text("paused")
    expect(viewer.locator("body")).to_contain_text(re.compile("paus(ed|ing)"))
    expect(viewer.locator("body")).not_to_contain_text("Resume")
    run.get_by_text("Orders so far").click()
    expect(run).to_contain_text("the instructor, on the dashboard: pause")
    run.get_by_role("button", name="Resume").click()
    expect(run).to_contain_text("training")
    viewer.close()


def test_stopping_asks_first(page: Page, steered: Site, lesson: Lesson) -> None:
    log_in(page, steered)
    run = page.get_by_role("article", name=f"Run {lesson.run}")
    run.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("dialog")).to_contain_text(f"ganns train resume={lesson.run}")
    page.keyboard.press("Enter")  # what has the focus is harmless
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(run).to_contain_text("training")
    run.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="Stop it").click()
    expect(run).to_contain_text("stopping")
    run.get_by_role("button", name="Resume").click()
    expect(run).to_contain_text("training")


def test_the_quorum_is_changed_and_nonsense_is_answered_in_words(page: Page, steered: Site, lesson: Lesson) -> None:
    log_in(page, steered)
    run, said = page.get_by_role("article", name=f"Run {lesson.run}"), page.locator(".answer")
    run.get_by_label("Results that close a round").fill("3")
    run.get_by_role("button", name="Set").click()
    expect(said).to_contain_text(f"From its next round on, run {lesson.run} waits for 3 results.")
    run.get_by_role("button", name=f"As configured ({lesson.units})").click()
    expect(said).to_contain_text("its configured quorum again")
    with instructing(steered.url) as client:
        answer = client.post(f"/control/runs/{lesson.run}/quorum", json={"units": 9999})
        assert answer.status_code == 409
        assert "out of range" in answer.json()["detail"]
        assert client.post(f"/control/runs/{lesson.run}/quorum", json={"units": 0}).status_code == 422
        assert client.post("/control/runs/99/pause", json={}).json()["detail"].startswith("There is no run 99")
        assert client.post(f"/control/runs/{lesson.run}/delete", json={}).status_code == 422
        assert client.post("/control/workers", json={"name": "\x00", "draining": True}).status_code == 422


def test_a_worker_is_drained_and_comes_back(page: Page, steered: Site, lesson: Lesson) -> None:
    log_in(page, steered)
    lesson.beat()
    page.get_by_role("button", name="Drain anna").click()
    expect(page.locator(".answer")).to_contain_text("anna takes no new unit")
    lesson.beat()
    page.get_by_role("button", name="Undrain anna").click()
    expect(page.locator(".answer")).to_contain_text("anna takes units again")


def test_logging_out(page: Page, steered: Site) -> None:
    log_in(page, steered)
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("link", name="Log in as instructor")).to_be_visible()
    expect(page.get_by_role("link", name="Instructor", exact=True)).to_have_count(0)
    page.goto(steered.url + "/control")
    expect(page.get_by_role("heading", name="Log in as instructor")).to_be_visible()


@pytest.mark.parametrize("size", [WIDE, PHONE])
def test_the_pages_are_accessible_and_fit(page: Page, steered: Site, lesson: Lesson, size: tuple[int, int]) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    lesson.beat()
    page.goto(steered.url + "/login")
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        for log_in_first in (False, True):
            if log_in_first and "/control" not in page.url:
                page.get_by_label("Password").fill(PASSWORD)
                page.keyboard.press("Enter")
                expect(page.locator(".order-workers")).to_be_visible()
            violations = Axe().run(page).response["violations"]
            assert [one["id"] for one in violations if one["impact"] in ("serious", "critical")] == []
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.slow
def test_a_login_that_may_only_look_says_so(
    class_database: Address, lesson: Lesson, page: Page, tmp_path_factory: pytest.TempPathFactory
) -> None:
    lesson.conn.execute("DROP ROLE IF EXISTS watches")  # it belongs to the server, not to a database
    lesson.conn.execute("CREATE ROLE watches LOGIN IN ROLE ganns_viewer")
    address = replace(class_database, conninfo=make_conninfo(class_database.conninfo, user="watches"))
    with serving(address, tmp_path_factory.mktemp("looks"), GANNS_DASHBOARD_PASSWORD=PASSWORD) as site:
        log_in(page, site)
        expect(page.get_by_role("alert")).to_contain_text("database login may only read")
        expect(page.get_by_role("button", name="Pause")).to_be_disabled()
        with instructing(site.url) as client:
            answer = client.post(f"/control/runs/{lesson.run}/pause", json={})
            assert answer.status_code == 403
            assert "may only read" in answer.json()["detail"]


def test_the_message_says_who_wants_what(lesson: Lesson) -> None:
    now = look_at_run(lesson.conn, lesson.run)
    assert now is not None
    assert (now["wanted"], now["wanted_by"]) == ("run", "")
    with lesson.conn.transaction(force_rollback=True):
        lesson.conn.execute("UPDATE ganns.runs SET wanted = 'pause', wanted_units = 3 WHERE id = %s", (lesson.run,))
        lesson.conn.execute(
            "INSERT INTO ganns.controls (run_id, number, what, asked_by)"
            " VALUES (%s, 99, 'pause', 'ada@desk (process 7)')",
            (lesson.run,),
        )
        now = look_at_run(lesson.conn, lesson.run)
        assert now is not None
        assert (now["wanted"], now["wanted_by"], now["wanted_units"]) == (
            "pause",
            "ada",
            3,
        )  # her machine stays private
