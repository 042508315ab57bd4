"""The run page, in a real browser."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from benchmarks.lesson import Lesson
from tests.dashboard.conftest import Site


def test_a_new_round_shows_by_itself(page: Page, site: Site, lesson: Lesson) -> None:
    page.goto(site.url)
    version = page.locator(".figure", has_text="version").locator("strong")
    expect(version).to_have_text(str(lesson.round))
    lesson.play()
    expect(version).to_have_text(str(lesson.round))


def test_a_chart_says_what_it_shows_and_follows_the_rounds(page: Page, site: Site, lesson: Lesson) -> None:
    page.goto(site.url)
    losses = page.get_by_role("img", name="Losses, by round")
    expect(losses).to_have_accessible_name(re.compile(rf"discriminator [\d.]+; .*up to round {lesson.round - 1}\."))
    assert losses.locator("canvas").count() == 1
    lesson.play()
    expect(losses).to_have_accessible_name(re.compile(rf"up to round {lesson.round - 1}\."))


def test_the_x_axis_is_chosen_for_all_charts_and_remembered(page: Page, site: Site, lesson: Lesson) -> None:
    page.goto(site.url)
    page.get_by_role("radio", name="images").check(force=True)
    expect(page.get_by_role("img", name="Losses, by images")).to_be_visible()
    page.get_by_role("radio", name="images").press("ArrowRight")
    expect(page.get_by_role("img", name="Losses, by time")).to_be_visible()
    page.reload()
    expect(page.get_by_role("img", name="Losses, by time")).to_be_visible()
