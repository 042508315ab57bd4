"""The list of runs, several beside each other, and a sweep, in a real browser."""

from __future__ import annotations

import json
import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, WebSocketRoute, expect

from benchmarks.lesson import Lesson
from ganns.monitor.settings import table
from ganns.monitor.sweeps import look_at_sweep
from tests.dashboard.conftest import PHONE, WIDE, Site

ODD = "<script>alert(1)</script>"
KEY = "ef00a2376a2d"


@pytest.fixture(scope="module")
def other(lesson: Lesson) -> Lesson:
    """Return a run that ended, with another learning rate and an odd name; both are points of a sweep."""
    one = Lesson(lesson.conn, name=ODD, changes={"optimizer.lr_g": 0.0004})
    one.past(30, samples=4, evaluate_every=10)
    one.end()
    lesson.conn.execute("INSERT INTO ganns.sweep_points VALUES (%s, %s), (%s, %s)", (KEY, lesson.run, KEY, one.run))
    return one


def row(page: Page, run: int) -> Locator:
    return page.get_by_role("row").filter(has=page.get_by_role("link", name=f"Run {run}", exact=True))


def picture(page: Page, run: int, version: int) -> Locator:
    return page.get_by_role("img", name=f"Samples of run {run}, version {version}", exact=True)


def test_two_runs_are_chosen_and_compared(page: Page, site: Site, lesson: Lesson, other: Lesson) -> None:
    page.goto(f"{site.url}/runs")
    button = page.get_by_role("button", name="Compare", exact=True)
    expect(button).to_be_disabled()
    page.get_by_role("checkbox", name=f"Choose run {other.run}").check()
    expect(button).to_be_disabled()
    page.get_by_role("checkbox", name=f"Choose run {lesson.run}").press(" ")
    expect(page.get_by_role("status").filter(has_text="Chosen")).to_have_text(f"Chosen: {lesson.run}, {other.run}")
    button.click()
    expect(page).to_have_url(f"{site.url}/compare?run={lesson.run}&run={other.run}")
    settings = page.get_by_role("table", name="Settings that differ").get_by_role("row")
    expect(settings).to_have_count(2)
    expect(settings.nth(1)).to_contain_text(re.compile(r"optimizer.lr_g\s*0.0002\s*0.0004"))
    expect(page.get_by_role("table", name="Results")).to_contain_text(ODD)
    for one in (picture(page, lesson.run, 60), picture(page, other.run, 30)):
        expect(one).to_be_visible()
        page.wait_for_function("image => image.naturalWidth > 0", arg=one.element_handle())
    curves = page.get_by_role("img", name=re.compile("^Loss of the generator"))
    curves.scroll_into_view_if_needed()
    expect(curves).to_have_accessible_name(re.compile(rf"run {lesson.run} [\d.]+; run {other.run} [\d.]+"))


def test_one_slider_moves_the_samples_of_all_runs(page: Page, site: Site, lesson: Lesson, other: Lesson) -> None:
    page.goto(f"{site.url}/compare?run={lesson.run}&run={other.run}")
    expect(picture(page, other.run, 30)).to_be_visible()
    slider = page.get_by_role("slider")
    slider.press("Home")
    expect(picture(page, lesson.run, 0)).to_be_visible()
    expect(picture(page, other.run, 0)).to_be_visible()
    page.get_by_role("radio", name="the same version").check(force=True)
    slider.press("Home")
    slider.press("ArrowRight")
    slider.press("ArrowRight")
    slider.press("ArrowRight")
    expect(slider).to_have_attribute("aria-valuetext", "version 30")  # 0, 10, 20 and 30 have a grid in one of them
    expect(picture(page, lesson.run, 30)).to_be_visible()
    expect(picture(page, other.run, 30)).to_be_visible()


def test_the_list_follows_what_happens(page: Page, site: Site, lesson: Lesson, other: Lesson) -> None:
    page.goto(f"{site.url}/runs")
    expect(row(page, lesson.run)).to_contain_text("training")
    expect(row(page, other.run)).to_contain_text(ODD)
    expect(row(page, other.run)).to_contain_text("finished")
    new = Lesson(lesson.conn, name="brief")
    expect(row(page, new.run)).to_contain_text("training")
    assert page.locator(".list tbody th a").first.inner_text() == f"Run {new.run}"
    lesson.conn.execute("UPDATE ganns.runs SET lease_until = NULL WHERE id = %s", (new.run,))
    expect(row(page, new.run)).to_contain_text("stopped")
    lesson.conn.execute("DELETE FROM ganns.runs WHERE id = %s", (new.run,))
    expect(row(page, new.run)).to_have_count(0)


def test_what_cannot_be_compared_is_said(page: Page, site: Site, lesson: Lesson) -> None:
    one, many = f"?run={lesson.run}", "?" + "&".join(f"run={number}" for number in range(1, 8))
    for query, said in (
        ("", "Choose two to 6 runs, not 0."),
        (f"{one}&run={lesson.run}", "Choose two to 6 runs, not 1."),
        (many, "Choose two to 6 runs, not 7."),
        (f"{one}&run=999", "There is no run 999."),
    ):
        page.goto(f"{site.url}/compare{query}")
        expect(page.get_by_text(said)).to_be_visible()
        expect(page.get_by_role("link", name="Choose runs in the list")).to_have_attribute("href", "/runs")


def test_a_sweep_shows_which_settings_led_where(page: Page, site: Site, lesson: Lesson, other: Lesson) -> None:
    page.goto(f"{site.url}/runs")
    row(page, lesson.run).get_by_role("link", name=KEY[:6]).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Sweep {KEY}")
    chart = page.get_by_role("img", name=re.compile(r"^Parallel coordinates of 2 runs\. Best FID: lr_g 0\.000"))
    expect(chart.locator("canvas")).to_have_count(1)
    expect(page.get_by_role("img", name=re.compile("^The lowest distance after each run that ended"))).to_be_visible()
    first = page.get_by_role("table", name="Points, the best first").locator("tbody tr").first
    expect(first).to_contain_text("lowest")
    loser = lesson if f"Run {other.run}" in first.inner_text() else other
    lesson.conn.execute(
        """UPDATE ganns.evaluations SET metrics = metrics || '{"fid": 1.5}' WHERE run_id = %s AND version = (
           SELECT best_version FROM ganns.runs WHERE id = %s)""",
        (loser.run, loser.run),
    )
    expect(first).to_contain_text(re.compile(rf"Run {loser.run} .*1\.5\s+lowest"))
    page.get_by_role("link", name="Compare the best 2").click()
    expect(page.get_by_role("table", name="Settings that differ")).to_be_visible()


def test_points_that_ended_without_a_distance_have_ended(page: Page, site: Site, lesson: Lesson) -> None:
    """Their evaluation failed, or there was none."""
    begun = [Lesson(lesson.conn, num_workers=1, seed=seed) for seed in (5, 6)]
    for one in begun:
        lesson.conn.execute("INSERT INTO ganns.sweep_points VALUES ('0123456789ab', %s)", (one.run,))
    page.goto(f"{site.url}/sweeps/0123456789ab")
    expect(page.get_by_text("No point has ended yet.")).to_be_visible()
    for one in begun:
        one.end()
    page.reload()
    expect(page.get_by_text("2 points have ended, none with a distance.")).to_be_visible()
    expect(page.get_by_text("No point has ended yet.")).to_have_count(0)


def test_without_a_run_the_list_says_how_to_begin_one(page: Page, site: Site) -> None:
    def answer(socket: WebSocketRoute) -> None:
        socket.send(json.dumps([{"type": "runs", "runs": []}]))

    page.route_web_socket(re.compile("/live"), answer)
    page.goto(f"{site.url}/runs")
    expect(page.get_by_text("ganns train experiment=demo", exact=True)).to_be_visible()


@pytest.mark.parametrize("path", ["/runs", "/compare?run={}&run={}", f"/sweeps/{KEY}"])
def test_everybody_can_read_it_in_both_themes_and_on_a_phone(
    page: Page, site: Site, lesson: Lesson, other: Lesson, path: str
) -> None:
    for scheme, size in (("light", WIDE), ("dark", PHONE)):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.goto(site.url + path.format(lesson.run, other.run))
        expect(page.get_by_role("table").first).to_contain_text(re.compile("training|finished"))
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        found = Axe().run(page).response["violations"]
        assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []


def test_settings_that_differ_show_no_secret_and_no_folder() -> None:
    one = {"name": "a", "data": {"url": "https://me:secret@host/faces?sig=abc", "path": "/home/ada/faces"}, "seed": 0}
    two = {"name": "b", "data": {"url": "https://host/other", "path": "/home/bob/cats"}, "seed": 0}
    rows = dict(table([one, two]))
    assert rows == {
        "data.path": [".../faces", ".../cats"],
        "data.url": ["https://...@host/faces?...", "https://host/other"],
    }


def test_a_sweep_has_an_axis_for_each_setting_that_differs_the_seed_last(lesson: Lesson) -> None:
    with lesson.conn.transaction(force_rollback=True):
        for seed, rate in ((0, 1e-4), (1, 2e-4)):
            one = Lesson(lesson.conn, num_workers=1, seed=seed, changes={"optimizer.lr_g": rate})
            lesson.conn.execute("INSERT INTO ganns.sweep_points VALUES ('abc', %s)", (one.run,))
        found = look_at_sweep(lesson.conn, "abc")
    assert found is not None
    assert [axis["key"] for axis in found["axes"]] == ["optimizer.lr_g", "seed"]
    assert [axis["name"] for axis in found["axes"]] == ["lr_g", "seed"]
    assert [(one["settings"], one["best_fid"]) for one in found["points"]] == [([1e-4, 0], None), ([2e-4, 1], None)]
    assert look_at_sweep(lesson.conn, "abc") is None
