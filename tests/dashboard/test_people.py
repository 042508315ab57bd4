"""The leaderboard and a person's page, in a real browser."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from benchmarks.lesson import Lesson
from ganns.monitor.topics import PeopleTopic
from tests.dashboard.conftest import PHONE, WIDE, Site

ODD = "<script>alert(1)</script>/../?#"  # a student may call a worker anything


def names(page: Page) -> list[str]:
    return page.locator(".board tbody th").all_inner_texts()


def cell(page: Page, name: str, label: str) -> object:
    return page.locator(".board tbody tr", has_text=name).locator(f'[data-label="{label}"]')


@pytest.fixture
def odd(lesson: Lesson) -> Iterator[int]:
    """Let a student with an odd name join, until the end of the test."""
    with lesson.conn.transaction():
        row = lesson.conn.execute("SELECT worker_id FROM procrastinate.procrastinate_register_worker_v1()").fetchone()
        assert row is not None
        lesson.conn.execute("INSERT INTO ganns.workers (id, name, info) VALUES (%s, %s, '{}')", (row[0], ODD))
    yield row[0]
    lesson.conn.execute("DELETE FROM procrastinate.procrastinate_workers WHERE id = %s", (row[0],))
    lesson.conn.execute("DELETE FROM ganns.workers WHERE id = %s", (row[0],))


def test_the_leaderboard_is_in_order_and_follows_the_rounds(page: Page, site: Site, lesson: Lesson) -> None:
    lesson.beat()
    page.goto(f"{site.url}/people")
    expect(page.locator(".board tbody tr")).to_have_count(6)
    images = [int(text.replace(",", "")) for text in page.locator('[data-label="images"]').all_inner_texts()]
    assert images == sorted(images, reverse=True)
    assert sum(images) == lesson.round * lesson.units * 64
    first = names(page)[0]
    expect(page.locator(".podium li").first).to_contain_text(f"{first}\n{images[0]:,} images", use_inner_text=True)
    together = page.locator(".figure", has_text="images together").locator("strong")
    expect(together).to_have_text(f"{sum(images):,}")
    lesson.beat()
    lesson.play()
    expect(together).to_have_text(f"{lesson.round * lesson.units * 64:,}")
    expect(cell(page, "ben", "device")).to_have_text("cpu, 8 threads")  # type: ignore[arg-type]


def test_who_computes_and_who_leaves_after_this_unit_is_shown(page: Page, site: Site, lesson: Lesson) -> None:
    lesson.beat()
    page.goto(f"{site.url}/people")
    lesson.open()
    lesson.claim(2)
    lesson.conn.execute(
        "INSERT INTO ganns.task_workers (worker_id, name, tasks, draining) VALUES (%s, 'chloe', '{}', true)",
        (lesson.workers[2],),
    )
    lesson.beat()
    expect(cell(page, "chloe", "computes now")).to_have_text(f"unit 2 of round {lesson.round}")  # type: ignore[arg-type]
    expect(cell(page, "chloe", "heartbeat")).to_contain_text("leaves after this unit")  # type: ignore[arg-type]
    lesson.conn.execute(
        "INSERT INTO ganns.task_workers (worker_id, name, tasks, preparing) VALUES (%s, 'ben', '{}', %s)",
        (lesson.workers[1], "preparing images: 1 of 9"),
    )
    lesson.beat()
    expect(cell(page, "ben", "computes now")).to_have_text("preparing images: 1 of 9")  # type: ignore[arg-type]
    lesson.conn.execute("DELETE FROM ganns.task_workers")
    for unit in range(lesson.units):
        lesson.claim(unit)
        lesson.submit(unit)
    lesson.close()


def test_columns_sort_with_the_keyboard(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/people")
    head = page.get_by_role("columnheader", name="Name")
    expect(head).to_have_attribute("aria-sort", "none")
    head.get_by_role("button").press("Enter")
    expect(head).to_have_attribute("aria-sort", "ascending")
    assert names(page) == sorted(names(page))
    head.get_by_role("button").press("Enter")
    expect(head).to_have_attribute("aria-sort", "descending")
    assert names(page) == sorted(names(page), reverse=True)


def test_who_comes_and_goes_shows_whatever_the_name(page: Page, site: Site, lesson: Lesson, request: object) -> None:
    lesson.beat()  # else the others fall silent meanwhile, and the list is short
    page.goto(f"{site.url}/people")
    expect(page.locator(".board tbody tr")).to_have_count(6)
    worker = request.getfixturevalue("odd")  # type: ignore[attr-defined]
    lesson.beat()
    arrivals = page.locator(".arrivals li")
    expect(arrivals.filter(has_text="joined").filter(has_text=ODD)).to_have_count(1)
    lesson.conn.execute("DELETE FROM procrastinate.procrastinate_workers WHERE id = %s", (worker,))
    expect(arrivals.filter(has_text="left").filter(has_text=ODD)).to_have_count(1)
    arrivals.filter(has_text="left").get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(ODD)
    expect(page.locator(".presence")).to_have_text("left")


def test_a_person_has_a_page_with_its_history(page: Page, site: Site, lesson: Lesson) -> None:
    lesson.beat()
    page.goto(f"{site.url}/people")
    page.locator(".board").get_by_role("link", name="deniz").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("deniz")
    strip = page.get_by_role("img", name=re.compile(r"Rounds \d+ to \d+: units in \d+ of \d+ rounds; \d+ in time"))
    assert strip.locator("i.accepted").count() > 10
    units = page.locator(".figure", has_text=re.compile("units$")).locator("strong")
    expect(units).not_to_have_text("–")
    row = page.get_by_role("row", name=re.compile(f"Run {lesson.run}"))
    expect(row.locator('[data-label="units"]')).to_have_text(units.inner_text())
    expect(page.locator(".joined li")).to_contain_text("NVIDIA T4, 16 GB, Linux, torch 2.14.1")
    assert "s-laptop" not in page.content()  # the machine's own name stays private
    before = int(units.inner_text())
    lesson.beat()
    lesson.play()
    expect(units).not_to_have_text(str(before))


def test_a_person_sees_what_the_gradients_did(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/people/anna")
    card = page.locator(".influence")
    expect(card.get_by_role("heading", name="What did the gradient do?")).to_be_visible()
    picture = card.get_by_role(
        "img", name=re.compile(r"Direction of the last \d+ units: discriminator [+-]0\.\d\d to ")
    )
    expect(picture).to_be_visible()
    assert picture.locator("line.g").count() == picture.locator("line.d").count() > 10
    expect(card.locator("tbody tr")).to_have_count(10)
    row = card.locator("tbody tr").first
    expect(row.locator('[data-label="direction G"]')).to_have_text(re.compile(r"^[+-]0\.\d\d$"))
    expect(row.locator('[data-label="share D"]')).to_have_text(re.compile(r"^\d+ %$"))
    expect(row.locator('[data-label="loss D"]')).to_have_text(re.compile(r"^\d\.\d+ → (\d\.\d+|–)$"))


def test_the_readers_own_row_is_marked_and_remembered(page: Page, site: Site, lesson: Lesson) -> None:
    lesson.beat()
    page.goto(f"{site.url}/people/deniz")
    page.get_by_role("link", name="This is me").click()
    mine = page.locator(".board .me")
    expect(mine).to_have_count(1)
    expect(mine.locator("th")).to_have_text(re.compile(r"deniz\s+you"))
    page.goto(f"{site.url}/people")
    expect(mine).to_have_count(1)
    page.goto(f"{site.url}/people?me=")
    expect(page.locator(".board tbody tr")).to_have_count(6)
    expect(mine).to_have_count(0)


def test_an_unknown_name_is_said_to_be_so(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/people/{quote('<b>nobody</b>', safe='')}")
    expect(page.get_by_role("heading", level=1)).to_have_text("<b>nobody</b>")
    expect(page.get_by_text("No worker with this name has joined")).to_be_visible()
    page.goto(f"{site.url}/people/")
    expect(page.get_by_role("heading", level=1)).to_have_text("People")


@pytest.mark.parametrize("path", ["/people", "/people/anna"])
def test_everybody_can_read_it_in_both_themes_and_on_a_phone(page: Page, site: Site, path: str, odd: int) -> None:
    for scheme, size in (("light", WIDE), ("dark", PHONE)):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.goto(f"{site.url}{path}")
        expect(page.locator(".figure strong").first).not_to_have_text("–")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        found = Axe().run(page).response["violations"]
        assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []


def test_before_the_first_run_who_has_joined_is_seen(lesson: Lesson) -> None:
    lesson.beat()
    (text,) = PeopleTopic(0).look(lesson.conn, [])
    message = json.loads(text)
    assert message["latest"] == lesson.run
    assert ("anna", True, 0) in [(one["name"], one["alive"], one["images"]) for one in message["people"]]
