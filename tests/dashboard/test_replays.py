"""The page of a run's replays, in a real browser."""

from __future__ import annotations

import io
from collections.abc import Iterator

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Page, expect

from benchmarks.lesson import Lesson
from ganns.store.shown_replays import KEEP, list_replays, put_replay
from tests.dashboard.conftest import PHONE, WIDE, Site

NAME = "<b>eve</b> & co"


def picture(width: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, 400), (200, 100, 50)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def shown(lesson: Lesson) -> Iterator[Lesson]:
    """Yield a lesson with one replay more than stay."""
    figures = {"images": 640, "d_loss": 1.25, "g_loss": 0.8, "swd": None}
    rows = [
        {"version": 7, "as_it_was": figures, "changed": figures, "equal": True},
        {"version": 8, "as_it_was": figures, "changed": figures | {"swd": 211.4}, "equal": False, "of_the_way": 0.42},
    ]
    for number in range(KEEP + 1):
        change = f"without {NAME}" if number == KEEP else f"change {number}"
        put_replay(lesson.conn, lesson.run, 6, change, ["they part"], rows, picture(1300), picture(900))
    yield lesson
    lesson.conn.execute("DELETE FROM ganns.replays")


def test_both_futures_are_shown_side_by_side(page: Page, site: Site, shown: Lesson) -> None:
    page.goto(f"{site.url}/run/{shown.run}")
    page.get_by_role("link", name="Replays").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Replays of run {shown.run}")
    assert [one["number"] for one in list_replays(shown.conn, shown.run)] == list(range(KEEP + 1, 1, -1))
    expect(page.get_by_role("heading", level=2)).to_have_count(KEEP)
    first = page.locator("section.replay").first
    expect(first).to_contain_text(f"From round 6 on: without {NAME}")
    expect(first).to_contain_text("they part")
    expect(first.get_by_role("row").nth(1)).to_contain_text("equal")
    expect(first.get_by_role("row").nth(2)).to_contain_text("- | 211")
    for width, height in (WIDE, (1280, 800), PHONE):
        page.set_viewport_size({"width": width, "height": height})
        image = first.get_by_role("img").first
        image.scroll_into_view_if_needed()
        page.wait_for_function("element => element.naturalWidth > 0", arg=image.element_handle())
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        found = Axe().run(page).response["violations"]
        assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []


def test_without_a_replay_it_says_how_to_make_one(page: Page, site: Site, lesson: Lesson) -> None:
    page.goto(f"{site.url}/run/{lesson.run}/replays")
    expect(page.get_by_text(f"ganns replay {lesson.run}@0 without=NAME --drop --show")).to_be_visible()
    page.goto(f"{site.url}/run/{lesson.run}")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.get_by_role("link", name="Replays")).to_have_count(0)
    missing = httpx.get(f"{site.url}/run/999/replays", headers={"Accept": "text/html"})
    assert missing.status_code == 404
    assert "There is no run 999" in missing.text
