"""The projector's screen and the join card, in a real browser."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from benchmarks.lesson import Lesson
from ganns.dashboard import join
from ganns.dashboard.join import address_for_others
from ganns.dashboard.reach import Reach
from tests.dashboard.conftest import PHONE, Site

# The height of a capital letter of each visible text, by the browser's own measure; and the letters of the chart.
CAPITALS = """async () => {
  const context = document.createElement("canvas").getContext("2d");
  const found = [];
  const walker = document.createTreeWalker(document.querySelector(".projector"), NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
    context.font = getComputedStyle(element).font;
    found.push([walker.currentNode.data.trim(), context.measureText("H").actualBoundingBoxAscent]);
  }
  const { echarts } = await import("nicegui-echart");
  const option = echarts.getInstanceByDom(document.querySelector(".projector .canvas")).getOption();
  for (const label of [option.xAxis[0].axisLabel, option.yAxis[0].axisLabel, option.series[0].endLabel]) {
    context.font = `${label.fontSize}px ${getComputedStyle(document.body).fontFamily}`;
    found.push(["chart", context.measureText("H").actualBoundingBoxAscent]);
  }
  return found;
}"""
INK = """() => {
  const [chart, copy] = [document.querySelector(".projector canvas"), document.createElement("canvas")];
  const [w, h] = [copy.width, copy.height] = [chart.width, chart.height];
  const pen = copy.getContext("2d", { willReadFrequently: true });
  pen.drawImage(chart, 0, 0);
  const most = (...box) => Math.max(...pen.getImageData(...box).data);
  if (!most(Math.floor(w / 2), 0, 1, h)) return null;
  return [most(0, 0, w, 1), most(w - 1, 0, 1, h), most(0, h - 1, w, 1), most(0, 0, 1, h)];
}"""
"""How much is drawn at the four edges of the chart; null before it is drawn."""


@pytest.mark.parametrize("size", [(1920, 1080), (1280, 720), (1024, 768)])
def test_ten_metres_away_it_is_readable_and_nothing_scrolls(
    page: Page, site: Site, lesson: Lesson, size: tuple[int, int]
) -> None:
    lesson.beat()
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.goto(f"{site.url}/run/{lesson.run}/projector")
    figures = page.locator(".projector .figure strong")
    expect(figures).to_have_count(3)
    expect(figures.first).to_have_text(str(lesson.round))
    expect(page.locator(".projector-faces img")).to_be_visible()
    expect(page.locator(".projector canvas")).to_have_count(1)
    for number in range(3):
        font = figures.nth(number).evaluate("element => parseFloat(getComputedStyle(element).fontSize)")
        assert font >= 64
    capitals = page.evaluate(CAPITALS)
    assert len(capitals) > 8
    assert [one for one in capitals if one[1] < size[1] / 40] == []
    page.wait_for_function(f"({INK})() !== null")
    assert page.evaluate(INK) == [0, 0, 0, 0], "no name and no number of the chart is cut off"
    fits = "[document.documentElement.scrollWidth <= innerWidth, document.documentElement.scrollHeight <= innerHeight]"
    assert page.evaluate(fits) == [True, True]
    inside = """() => [...document.querySelectorAll(".projector *")].filter((one) => one.checkVisibility())
      .map((one) => [one.className, one.getBoundingClientRect()])
      .filter(([, box]) => box.right > innerWidth + 1 || box.bottom > innerHeight + 1).map(([name]) => String(name))"""
    assert page.evaluate(inside) == []


def test_it_follows_the_run_in_both_themes_and_says_what_is_wrong(page: Page, site: Site, lesson: Lesson) -> None:
    lesson.beat()
    page.goto(f"{site.url}/projector")
    figures = page.locator(".projector .figure strong")
    expect(figures.first).to_have_text(str(lesson.round))
    lesson.play()
    expect(figures.first).to_have_text(str(lesson.round))
    lesson.open()
    lesson.claim(0)
    ago = "now() - interval '50 seconds'"
    lesson.conn.execute(f"UPDATE ganns.rounds SET opened_at = {ago} WHERE closed_at IS NULL")
    lesson.conn.execute(
        f"UPDATE ganns.units SET claimed_at = {ago} WHERE claimed_at IS NOT NULL AND round = %s", (lesson.round,)
    )
    lesson.beat()
    expect(page.locator(".projector-health")).to_have_text("No round closes")
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        violations = Axe().run(page).response["violations"]
        assert [one["id"] for one in violations if one["impact"] in ("serious", "critical")] == []
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("link", name=lesson.name, exact=True).click()
    expect(page).to_have_url(f"{site.url}/run/{lesson.run}")
    health = page.get_by_role("list", name="Health of the run")
    expect(health).to_contain_text("Waiting for anna")
    lesson.close()


def test_a_command_is_copied(page: Page, site: Site, lesson: Lesson) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(site.url)
    page.get_by_role("button", name="Copy: ganns worker").click()
    expect(page.get_by_role("button", name="Copy: ganns worker")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == "ganns worker"


def test_the_command_for_other_machines_keeps_the_options(page: Page, site: Site, lesson: Lesson) -> None:
    page.goto(site.url)
    port = site.url.rsplit(":", 1)[1]
    expect(page.get_by_role("button", name=f"Copy: ganns dashboard --host 0.0.0.0 --port {port}")).to_be_visible()
    assert Reach("127.0.0.1", 8080).command == "ganns dashboard --host 0.0.0.0"
    everything = Reach("::1", 8081, hostnames=["a.example", "b c"], failure_lab=True, with_phones=True)
    assert everything.command == (
        "ganns dashboard --host 0.0.0.0 --port 8081 --hostname a.example --hostname 'b c' --failure-lab --phones"
    )
    assert everything.listens == "::1"


@pytest.mark.parametrize(
    ("seen", "listens", "address"),
    [
        ("http://localhost:8080/", "127.0.0.1", None),
        ("http://[::1]:8080/", "127.0.0.1", None),
        ("http://localhost:8080/", "0.0.0.0", "http://192.0.2.7:8080"),
        ("http://127.0.0.1/", "::", "http://192.0.2.7"),
        ("http://192.168.1.7:8080/", "0.0.0.0", "http://192.168.1.7:8080"),
        ("http://localhost:8080/", "192.168.1.9", "http://192.168.1.9:8080"),
        ("https://dash.example.org/", "127.0.0.1", "https://dash.example.org"),
        ("http://[2001:db8::7]:8080/", "::", "http://[2001:db8::7]:8080"),
    ],
)
def test_a_phone_gets_an_address_that_it_can_reach(
    seen: str, listens: str, address: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(join, "reachable_host", lambda _: "192.0.2.7")
    assert address_for_others(seen, listens) == address
