"""The page of a run, in a real browser."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect
from psycopg.conninfo import conninfo_to_dict

from benchmarks.lesson import Lesson
from ganns.db.address import Address
from ganns.db.connect import connect
from ganns.store.control import pause, resume
from tests.dashboard.conftest import PHONE, Site, serving
from tests.support.helpers import wait_until


def figure(page: Page, label: str) -> Locator:
    return page.locator(".figure", has=page.get_by_text(label, exact=True)).locator("strong")


def test_a_new_round_shows_by_itself(page: Page, site: Site, lesson: Lesson) -> None:
    page.goto(site.url)
    version = figure(page, "version")
    expect(version).to_have_text(str(lesson.round))
    lesson.play()
    expect(version).to_have_text(str(lesson.round))


def test_a_chart_says_what_it_shows_and_follows_the_rounds(page: Page, site: Site, lesson: Lesson) -> None:
    page.goto(site.url)
    losses = page.get_by_role("img", name="Losses, by round")
    expect(losses).to_have_accessible_name(re.compile(rf"discriminator [\d.]+; .*up to round {lesson.round - 1}\."))
    expect(losses.locator("canvas")).to_have_count(1)
    lesson.play()
    expect(losses).to_have_accessible_name(re.compile(rf"up to round {lesson.round - 1}\."))


def test_the_x_axis_is_chosen_for_all_charts_and_remembered(page: Page, site: Site, lesson: Lesson) -> None:
    page.goto(site.url)
    page.get_by_text("images", exact=True).and_(page.locator(".choice span")).click()
    expect(page.get_by_role("img", name="Losses, by images")).to_be_visible()
    expect(page.get_by_role("img", name="Distance from real images, lower is better, by images")).to_be_visible()
    page.get_by_role("radio", name="images").press("ArrowRight")
    expect(page.get_by_role("img", name="Losses, by time")).to_be_visible()
    page.reload()
    expect(page.get_by_role("img", name="Losses, by time")).to_be_visible()


def test_all_grids_by_slider_keys_and_as_a_film(page: Page, site: Site, lesson: Lesson) -> None:
    lesson.draw(lesson.round)
    page.goto(site.url)
    picture, slider = page.locator(".samples img"), page.get_by_role("slider", name="Version")
    expect(picture).to_have_attribute("src", f"/samples/{lesson.run}/{lesson.round}.webp")
    expect(picture).to_have_js_property("complete", True)
    slider.press("Home")
    expect(picture).to_have_attribute("src", f"/samples/{lesson.run}/0.webp")
    expect(page.locator(".caption")).to_contain_text("untrained")

    lesson.play()
    lesson.draw(lesson.round)  # a viewer of an old grid still sees that one
    expect(figure(page, "version")).to_have_text(str(lesson.round))
    expect(slider).to_have_attribute("aria-valuetext", "version 0")
    page.locator("#main").focus()
    page.keyboard.press("ArrowRight")
    expect(picture).to_have_attribute("src", f"/samples/{lesson.run}/10.webp")

    page.get_by_role("button", name="best", exact=True).click()
    expect(page.locator(".caption")).to_contain_text("the best so far")
    slider.press("Home")
    page.get_by_role("button", name="Play all grids as a film").click()
    expect(page.get_by_role("button", name="Pause the film")).to_be_visible()
    newest = page.get_by_role("button", name="newest")
    expect(newest).to_have_attribute("aria-pressed", "true")  # it ends there, and follows again
    expect(page.get_by_role("button", name="Play all grids as a film")).to_be_visible()
    lesson.play()
    lesson.draw(lesson.round)
    expect(picture).to_have_attribute("src", f"/samples/{lesson.run}/{lesson.round}.webp")


def test_a_face_is_seen_through_the_versions(page: Page, site: Site, lesson: Lesson) -> None:
    page.goto(site.url)
    picture = page.locator(".samples img")
    expect(picture).to_have_js_property("complete", True)
    box = picture.bounding_box()
    assert box is not None
    picture.click(position={"x": 0.7 * box["width"], "y": 0.2 * box["height"]})  # the sixth of the second row
    tiles = page.get_by_role("img", name=re.compile("^Face 14, version"))
    expect(tiles.first).to_have_accessible_name("Face 14, version 0")
    assert tiles.count() >= 7
    page.get_by_label("face", exact=True).fill("64")
    expect(page.get_by_role("img", name="Face 64, version 0")).to_be_visible()
    page.get_by_role("button", name="Close").click()
    expect(page.locator(".face")).to_have_count(0)


def test_a_grid_that_was_thinned_out_is_skipped(browser: Browser, site: Site, lesson: Lesson) -> None:
    page = browser.new_page()  # it may complain: a picture is not there
    page.route("**/samples/*/20.webp", lambda route: route.fulfill(status=404))
    page.goto(site.url)
    slider = page.get_by_role("slider", name="Version")
    slider.press("Home")
    slider.press("ArrowRight")
    expect(slider).to_have_attribute("aria-valuetext", "version 10")
    slider.press("ArrowRight")
    expect(slider).to_have_attribute("aria-valuetext", "version 30")
    expect(page.locator(".samples img")).to_have_attribute("src", f"/samples/{lesson.run}/30.webp")
    page.close()


def test_each_units_state_is_told_by_word_and_sign(page: Page, site: Site, lesson: Lesson) -> None:
    page.goto(site.url)
    now = lesson.round
    lesson.open()
    for unit in (0, 1, 2, 3, 8):
        lesson.claim(unit)
    for unit in (0, 1):
        lesson.submit(unit)
    lesson.conn.execute(
        "UPDATE ganns.units SET refused_from = ARRAY[1] WHERE run_id = %s AND round = %s AND unit = 6",
        (lesson.run, now),
    )
    lesson.conn.execute(
        "UPDATE ganns.rounds SET deadline_at = now() + interval '2 hours' WHERE run_id = %s AND round = %s",
        (lesson.run, now),
    )
    units = page.get_by_role("list", name=f"Units of round {now}").get_by_role("listitem")
    expect(units).to_have_count(10)
    for unit, state, sign in ((0, "submitted", "↑"), (2, "computing", "▶"), (6, "refused", "✕"), (9, "waiting", "…")):
        expect(units.nth(unit)).to_contain_text(f"Unit {unit}, 64 images")
        expect(units.nth(unit)).to_contain_text(f"{state}")
        expect(units.nth(unit).locator(".sign svg")).to_have_attribute("data-sign", sign)
    expect(units.nth(2)).to_contain_text("chloe")
    expect(page.locator(".of-round.open")).to_contain_text(
        re.compile("2 of 8 results, closes in at most (2 h 0|1 h 59) min")
    )
    expect(page.get_by_role("progressbar", name=f"Quorum of round {now}")).to_have_js_property("value", 2)
    page.get_by_label("by worker").check()
    expect(units.nth(0)).to_contain_text("Unit 0")
    expect(units.nth(4)).to_contain_text("Unit 3")  # deniz; chloe has two
    page.get_by_label("by worker").uncheck()

    lesson.submit(8)  # beyond what the round takes
    lesson.close()
    for unit, state in ((0, "accepted"), (8, "late"), (9, "cancelled")):
        expect(units.nth(unit)).to_contain_text(f"{state}")
    expect(page.locator(".of-round.closed")).to_contain_text("with 2 of 8")


def test_a_paused_run_says_who_paused_it_and_how_to_go_on(page: Page, site: Site, lesson: Lesson) -> None:
    page.goto(site.url)
    lesson.beat()
    lesson.open()
    state = page.locator(".state")
    expect(state).to_contain_text("training")
    pause(lesson.conn, lesson.run, "ada@desk (process 7)")
    expect(state).to_contain_text("Paused by ada as soon as the open round is complete.")
    expect(figure(page, "images/s")).not_to_have_text("–")
    lesson.close()
    expect(figure(page, "images/s")).to_have_text("–")  # and not the speed of before
    expect(page.locator(".figure.resting")).not_to_have_count(0)
    losses = page.get_by_role("img", name="Losses, by round")
    expect(losses).to_have_accessible_name(re.compile(rf"Events: .*round {lesson.round - 1}, paused by ada"))
    expect(state).to_contain_text("paused by ada")
    expect(state).to_contain_text(f"Continue with: ganns runs resume {lesson.run}")
    expect(page.locator(".quorum")).to_contain_text("the next round opens when an instructor resumes it")
    lesson.beat()
    resume(lesson.conn, lesson.run, "ada")
    expect(state).to_contain_text("training")


def test_where_the_time_and_the_bytes_go(page: Page, site: Site, lesson: Lesson) -> None:
    page.goto(site.url)
    expect(page.locator(".state")).to_contain_text("of 5,000 rounds")
    parts = page.locator(".timeparts")
    expect(parts).to_contain_text("the mean of the last 20 rounds")
    expect(parts.get_by_role("listitem").filter(has_text="compute")).to_contain_text("420 ms")
    expect(page.locator(".traffic")).to_contain_text("of results were sent to the coordinator")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_is_accessible_and_fits_a_phone(page: Page, site: Site, lesson: Lesson, theme: str) -> None:
    page.add_init_script(f"localStorage.setItem('ganns-theme', '{theme}')")
    page.goto(site.url)
    expect(figure(page, "version")).to_have_text(str(lesson.round))
    found = Axe().run(page).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")] == []
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    assert page.get_by_role("heading", level=1).count() == 1


def test_a_wait_below_zero_is_none(page: Page, site: Site, lesson: Lesson) -> None:
    """It is what is left of a round: below zero if units of one worker overlap."""
    lesson.conn.execute("UPDATE ganns.metrics SET timings = timings || '{\"wait\": -0.799}'")
    page.goto(site.url)
    wait = page.locator(".timeparts li").filter(has=page.get_by_text("wait", exact=True))
    expect(wait).to_contain_text("0 ms")
    expect(page.locator(".timeparts")).not_to_contain_text("-799")


def test_a_page_without_a_run_teaches_and_goes_to_the_first_one(
    page: Page, empty_database: Address, class_database: Address, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with serving(empty_database, tmp_path_factory.mktemp("empty")) as site, connect(class_database) as other:
        page.goto(site.url)
        expect(page.get_by_role("heading", name="No run yet")).to_be_visible()
        expect(page.get_by_role("main")).to_contain_text("ganns train experiment=demo")
        expect(page.get_by_role("main")).to_contain_text("ganns worker")
        with connect(empty_database) as conn:
            first = Lesson(conn, name="<b>first</b>")
            expect(page.get_by_role("heading", name="<b>first</b>", exact=True)).to_be_visible()
            expect(page).to_have_title(f"<b>first</b> · run {first.run} · GANNs with friends")
            expect(page.get_by_role("main")).to_contain_text("No samples yet.")
            expect(page.get_by_role("main")).to_contain_text("The first values come when the first round closes")
            expect(page.get_by_role("main")).to_contain_text("No version has been evaluated yet")
            expect(page.locator(".quorum")).to_contain_text("The next round opens soon.")

            second = Lesson(conn, name="second")
            expect(page.get_by_role("link", name=f"Look at run {second.run}")).to_be_visible()
            first.end()
            expect(page.get_by_role("heading", name="second")).to_be_visible()
            second.end("diverged")
            expect(page.locator(".state")).to_contain_text(f"ganns train start_from={second.run}@best")

        # The database goes away, and comes back.
        name = conninfo_to_dict(empty_database.conninfo)["dbname"]
        other.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        answer = page.request.get(site.url, timeout=60_000)
        assert answer.status == 503
        assert answer.headers["retry-after"] == "5"
        assert "The database does not answer" in answer.text()
        assert "ganns db status" in answer.text()
        expect(page.locator(".trouble")).to_be_visible()
        other.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        wait_until(lambda: page.request.get(site.url).status == 200, 60, lambda: "the page to come back")
        expect(page.locator(".trouble")).to_be_hidden()
