"""The page that explains a round, in a real browser."""

from __future__ import annotations

import ast
import re
import urllib.error
import urllib.request
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from benchmarks.lesson import Lesson
from ganns.dashboard import documents
from ganns.dashboard.pages.learn_text import FAULTS, MOVING, PARTS, SAME
from ganns.monitor.events import NAMES
from tests.dashboard.conftest import PHONE, WIDE, Site
from tests.support.helpers import ROOT

IN_THE_PICTURE = PARTS.keys() - MOVING.keys()

# Counts what moves: it is gone again within a second, and the machine may be busy.
COUNT_TOKENS = """() => {
  window.seen = 0;
  new MutationObserver((changes) => {
    for (const { addedNodes } of changes)
      for (const node of addedNodes) if (node.classList?.contains("learn-token")) window.seen += 1;
  }).observe(document.querySelector(".learn svg"), { childList: true });
}"""


def part(page: Page, key: str) -> Locator:
    return page.locator(f'.learn svg [data-part="{key}"]')


def learn(page: Page, site: Site, lesson: Lesson) -> Locator:
    """Open the page, wait until it knows the run, and return the caption."""
    page.goto(f"{site.url}/learn?run={lesson.run}")
    expect(part(page, "version")).to_contain_text(f"version {lesson.round}")
    return page.locator(".learn-caption")


def names_in(path: Path) -> set[str]:
    """Return the functions and classes, `Class.method`, or the tables and functions in SQL, of a file."""
    source = path.read_text(encoding="utf-8")
    if path.suffix == ".sql":
        return set(re.findall(r"^CREATE (?:UNLOGGED )?(?:TABLE|FUNCTION) ([\w.]+)", source, re.MULTILINE))
    found = set()
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{one.name}" for one in node.body if isinstance(one, ast.FunctionDef)}
    return found


@pytest.mark.parametrize("key", PARTS)
def test_each_part_names_code_and_a_page_that_exist(key: str) -> None:
    one = PARTS[key]
    assert one.name in names_in(ROOT / one.code)
    assert (ROOT / one.doc).is_file()
    assert documents.link_of(one.doc) == one.doc  # this is a checkout: the page is served


def test_all_that_moves_is_explained_and_all_faults_are_events() -> None:
    assert {SAME.get(key, key) for key in MOVING} <= PARTS.keys()
    assert {event for event, _, _ in FAULTS} <= NAMES


def test_only_files_of_the_documentation_are_found(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    (docs / "explain").mkdir(parents=True)
    assert documents.find(docs) == {}  # a folder of that name, but of another program
    (docs / "explain" / "one-round.md").write_text("# One round")
    (docs / "secret.txt").write_text("secret")
    (tmp_path / "outside.md").write_text("outside")
    (docs / "link.md").symlink_to(tmp_path / "outside.md")
    assert list(documents.find(docs)) == ["explain/one-round.md"]


def test_html_in_a_page_is_shown_as_text() -> None:
    assert "<script>" not in documents.as_html("# T\n\n<script>alert(1)</script>")


def test_the_documentation_is_served_and_nothing_else(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/docs/explain/one-round.md")
    expect(page.locator("h1")).to_have_text("One round")
    expect(page.locator("article table").first).to_be_visible()
    with urllib.request.urlopen(f"{site.url}/docs/images/losses.png", timeout=60) as answer:
        assert answer.headers["Content-Type"] == "image/png"
    for path in ("explain/nothing.md", "../pyproject.toml", "%2e%2e/pyproject.toml", "..%2fREADME.md"):
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"{site.url}/docs/{path}", timeout=60)
        caught.value.close()
        assert caught.value.code in (400, 404)
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    assert_accessible(page)


def test_what_happens_to_the_run_is_drawn_and_said(page: Page, site: Site, lesson: Lesson) -> None:
    caption, number = learn(page, site, lesson), lesson.round
    page.evaluate(COUNT_TOKENS)
    anna, ben, *_ = lesson.workers

    lesson.open()
    expect(caption).to_have_text(f"Round {number} began: 10 units; 8 results are enough.")
    expect(page.locator('.learn-steps [aria-current="step"]')).to_contain_text("Open.")
    lesson.claim(3, ben)
    expect(caption).to_have_text(f"ben took unit 3 of round {number}.")
    worker = part(page, "worker").filter(has_text="ben")
    expect(worker).to_contain_text("computes unit 3")
    expect(page.locator('.learn-steps [aria-current="step"]')).to_contain_text("Compute.")
    lesson.submit(3)
    expect(caption).to_have_text(f"ben submitted unit 3 of round {number}: 1 of 8.")
    expect(worker).to_contain_text("sent unit 3")
    expect(part(page, "quorum")).to_contain_text("1 of 8 results")

    lesson.claim(4, anna)
    expect(caption).to_have_text(f"anna took unit 4 of round {number}.")
    lesson.claim(4, ben)  # as after a rescue: no event tells that the job was queued again
    expect(caption).to_have_text(f"ben took unit 4 of round {number}.")
    of_unit = "WHERE run_id = %s AND round = %s AND unit = 5"
    lesson.conn.execute(f"UPDATE ganns.units SET refused_from = '{{1}}' {of_unit}", (lesson.run, number))
    expect(caption).to_contain_text(f"The result of unit 5 of round {number} was refused")
    lesson.conn.execute(
        "INSERT INTO ganns.skipped (run_id, round, unit, epoch, start, images, reason)"
        " VALUES (%s, %s, 6, 0, 0, 64, 'a test')",
        (lesson.run, number),
    )
    expect(caption).to_have_text(f"Unit 6 of round {number} was set aside: three attempts failed.")
    lesson.close()
    expect(caption).to_have_text(f"Round {number} closed: version {number + 1} is published.")
    lesson.conn.execute(
        "INSERT INTO ganns.ledger (run_id, round, unit, job_id, attempt, worker_id, epoch, start, images, seconds,"
        " accepted) VALUES (%s, %s, 4, 1, 1, %s, 0, 0, 64, 1, false)",
        (lesson.run, number, ben),
    )
    expect(caption).to_contain_text(f"Too late for round {number}: unit 4 from ben.")

    for event, _, _ in FAULTS:
        expect(page.locator(f'[data-fault="{event}"] strong')).to_have_text("1")
    assert page.evaluate("window.seen") > 5
    expect(page.locator(".learn-token")).to_have_count(0)  # all of them arrived


def test_a_pause_holds_the_picture_and_then_it_is_up_to_date(page: Page, site: Site, lesson: Lesson) -> None:
    caption, number = learn(page, site, lesson), lesson.round
    page.get_by_role("button", name="Pause").click()
    counts = page.locator('[data-fault="late"] strong')  # not held: says when the events are here
    before = int(counts.inner_text())
    lesson.open()
    lesson.claim(9)
    lesson.submit(9)
    lesson.close()
    expect(counts).to_have_text(str(before + 1))
    expect(caption).to_have_text("Waiting for the next event.")
    expect(part(page, "version")).to_contain_text(f"version {number}")
    page.get_by_role("button", name="Continue").click()
    expect(part(page, "version")).to_contain_text(f"version {lesson.round}")


@pytest.mark.slow
def test_slow_motion_shows_one_round_and_leaves_the_next_out(page: Page, site: Site, lesson: Lesson) -> None:
    caption, number = learn(page, site, lesson), lesson.round
    page.get_by_role("button", name="Slow motion").click()
    page.evaluate("""() => {
      window.said = new Set();
      const caption = document.querySelector(".learn-caption");
      new MutationObserver(() => window.said.add(caption.textContent)).observe(
        caption, { childList: true, characterData: true, subtree: true });
    }""")
    lesson.open()
    expect(caption).to_contain_text(f"Round {number} began")
    lesson.close()
    lesson.play()
    expect(caption).to_have_text(f"Round {number} closed: version {number + 1} is published.")
    assert not any(f"Round {number + 1}" in one for one in page.evaluate("[...window.said]"))
    page.get_by_role("button", name="Slow motion").click()
    expect(part(page, "version")).to_contain_text(f"version {lesson.round}")


def test_the_example_plays_without_a_run(page: Page, site: Site) -> None:
    page.clock.install()  # 20 seconds of it pass at once
    page.goto(f"{site.url}/learn?run=12345")
    expect(page.locator(".learn-note")).to_have_text("There is no run 12345.")
    page.get_by_role("button", name="Play an example round").click()
    caption, said, steps = page.locator(".learn-caption"), set(), set()
    for _ in range(30):
        page.clock.run_for(900)
        said.add(caption.inner_text())
        steps |= set(page.locator('.learn-steps [aria-current="step"] strong').all_inner_texts())
    assert "anna, ben and 2 others took 4 units of round 41." in said
    assert "Chloe is gone: unit 2 of round 41 waits for another worker." in said
    assert "ben submitted unit 2 of round 41: 4 of 4." in said
    assert "Too late for round 41: unit 3 from deniz. Not applied, but recorded as effort." in said
    assert len(steps) == 7
    expect(part(page, "version")).to_contain_text("version 42")
    expect(page.locator('[data-fault="late"] strong')).to_have_text("0")  # it was an example
    page.get_by_role("button", name="End the example").click()
    expect(part(page, "version")).to_contain_text("version –")


def test_every_part_is_reached_by_keyboard_and_explains_itself(page: Page, site: Site, lesson: Lesson) -> None:
    lesson.open()
    lesson.claim(0)  # a worker that computes is in the picture, however old its heartbeat is
    learn(page, site, lesson)
    expect(part(page, "worker").first).to_be_visible()
    panel, reached = page.locator(".learn-panel"), set()
    for _ in range(50):
        page.keyboard.press("Tab")
        if key := page.evaluate("document.activeElement.dataset?.part"):
            reached.add(key)
            page.keyboard.press("Enter")
            explained = PARTS[SAME.get(key, key)]
            expect(panel.locator("h2")).to_have_text(explained.title)
            expect(panel).to_contain_text(explained.code)
            expect(panel.get_by_role("link", name=explained.doc)).to_have_attribute("href", explained.doc)
    assert reached == IN_THE_PICTURE | MOVING.keys()
    lesson.close()


def test_where_less_motion_is_wished_for_states_change_and_nothing_moves(
    page: Page, site: Site, lesson: Lesson
) -> None:
    page.emulate_media(reduced_motion="reduce")
    caption = learn(page, site, lesson)
    page.evaluate(COUNT_TOKENS)
    lesson.play()
    expect(part(page, "version")).to_contain_text(f"version {lesson.round}")
    expect(caption).to_contain_text("closed")
    assert page.evaluate("window.seen") == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_it_is_accessible_and_fits(
    page: Page, site: Site, lesson: Lesson, scheme: Literal["light", "dark"], size: tuple[int, int]
) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": size[0], "height": size[1]})
    learn(page, site, lesson)
    assert page.locator(".learn.is-narrow").count() == (size == PHONE)
    part(page, "ledger").click()
    expect(page.locator(".learn-panel h2")).to_have_text("Ledger")
    expect(page.locator(".learn-panel h2")).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    assert_accessible(page)


def assert_accessible(page: Page) -> None:
    bad = [one for one in Axe().run(page).response["violations"] if one["impact"] in ("serious", "critical")]
    assert bad == [], "\n".join(f"{one['id']}: {one['nodes'][0]['html']}" for one in bad)
