"""The page of the microscope, in a real browser."""

from __future__ import annotations

from typing import Literal

import pytest
from playwright.sync_api import Page, expect

from ganns.dashboard.pages.microscope import moments, pictures
from ganns.exercises.microscope.library import recorded
from ganns.exercises.microscope.scene import ready
from tests.dashboard.conftest import PHONE, WIDE, Site
from tests.dashboard.test_learn import assert_accessible


def test_each_recording_can_be_shown() -> None:
    for name in ready():
        one = recorded(name)
        assert len(moments(one)) == len(one.moments)
        assert pictures(one)["narrow"].count("<g data-tick") == len(one.moments)


def test_it_plays_step_by_step(page: Page, site: Site) -> None:
    page.clock.install()
    page.goto(f"{site.url}/microscope?scene=chord_locked")
    heading, picture = page.locator(".scope-panel h3"), page.locator(".scope-picture.is-wide")
    expect(heading).to_have_text("The end")
    expect(page.locator(".scope-sentence")).to_contain_text("holds: bodies = 1.")
    page.get_by_role("button", name="Play").click()
    num = len(recorded("chord_locked").moments)
    page.clock.run_for(2300)
    expect(heading).to_contain_text("1. ")
    expect(picture.locator("g.is-later[data-tick]")).to_have_count(num - 1)
    page.clock.run_for(2300 * num)
    expect(heading).to_have_text("The end")
    expect(picture.locator(".is-later")).to_have_count(0)
    waits = page.locator(".scope-steps button", has_text="waits for").first
    waits.click()
    expect(page.locator(".scope-panel dl")).to_contain_text("ShareLock on transaction")
    page.get_by_role("button", name="Back").click()
    expect(page.locator(".scope-panel table")).to_contain_text("member = ")


def test_it_is_reached_and_an_unknown_scene_is_told(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/learn")
    page.get_by_role("link", name="Transactions under the microscope").click()
    expect(page.locator("h1")).to_have_text("Transactions under the microscope")
    page.get_by_role("link", name="deadlock ordered").click()
    expect(page.locator("#scene")).to_have_text(recorded("deadlock_ordered").title)
    page.goto(f"{site.url}/microscope?scene=<b>none")
    expect(page.locator(".learn-note")).to_have_text("There is no scene <b>none.")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1920, 1080), WIDE, (1280, 800), PHONE], ids=["1920", "wide", "1280", "phone"])
def test_it_is_accessible_and_fits(
    page: Page, site: Site, scheme: Literal["light", "dark"], size: tuple[int, int]
) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.goto(f"{site.url}/microscope")
    expect(page.locator(".scope-panel h3")).to_have_text("The end")
    page.locator(".scope-steps button").nth(2).click()
    expect(page.locator(".scope-panel table")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    assert_accessible(page)
