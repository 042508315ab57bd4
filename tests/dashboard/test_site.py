"""The pages, in a real browser."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from benchmarks.lesson import Lesson
from tests.dashboard.conftest import Site


def test_a_new_round_shows_by_itself(page: Page, site: Site, lesson: Lesson) -> None:
    page.goto(site.url)
    version = page.locator(".figure", has_text="version").locator("strong")
    expect(version).to_have_text(str(lesson.round))
    lesson.play()
    expect(version).to_have_text(str(lesson.round))
