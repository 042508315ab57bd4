"""The phones' GAN: what a phone may send, rounds over real WebSockets, and both pages in a real browser."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import httpx
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as open_socket

from ganns.dashboard.phones.messages import Hello, read_hello, read_result
from ganns.dashboard.phones.network import NUM_WEIGHTS
from ganns.db.address import Address
from ganns.db.connect import connect
from ganns.errors import BadResult
from tests.dashboard.browsing import PASSWORD, instructing, visiting
from tests.dashboard.conftest import Site, serving
from tests.dashboard.test_learn import assert_accessible
from tests.support.helpers import wait_until

PAGE_SIZES = [(1920, 1080), (1280, 800), (390, 844)]
GRADIENT = np.full(NUM_WEIGHTS, 0.01, "<f4")


@pytest.fixture(scope="module")
def class_of_phones(empty_database: Address, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Yield a dashboard with phones."""
    folder = tmp_path_factory.mktemp("phones")
    with serving(empty_database, folder, "--phones", GANNS_DASHBOARD_PASSWORD=PASSWORD) as site:
        yield site


def result(unit: str = "1/0/0/1", gradient: Any = GRADIENT, **more: Any) -> str:
    content = base64.b64encode(np.asarray(gradient, "<f4").tobytes()).decode()
    return json.dumps({"type": "result", "unit": unit, "gradient": content, "lossD": 1.4, "lossG": 0.7} | more)


class FakePhone:
    """A phone that says what a test wants."""

    def __init__(self, socket: ClientConnection, name: str) -> None:
        self.socket = socket
        self.send({"type": "hello", "name": name})
        self.welcome = self.take("welcome")

    def send(self, message: Any) -> None:
        self.socket.send(message if isinstance(message, str | bytes) else json.dumps(message))

    def take(self, kind: str) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self.socket.recv(30))
        assert message["type"] == kind, message
        return message

    def work(self) -> bool:
        """Take a unit, send a result, and return whether it was in time."""
        self.send(result(self.take("unit")["unit"]))
        return bool(self.take("judged")["inTime"])


@contextmanager
def joined(site: Site, name: str = "") -> Iterator[FakePhone]:
    with open_socket(site.url.replace("http", "ws") + "/phones/join", origin=site.url) as socket:  # type: ignore[arg-type]
        yield FakePhone(socket, name)


def board(site: Site) -> dict[str, Any]:
    with open_socket(site.url.replace("http", "ws") + "/phones/watch", origin=site.url) as socket:  # type: ignore[arg-type]
        found: dict[str, Any] = json.loads(socket.recv(30))
        return found


def num_accepted(site: Site, name: str) -> int:
    """Return how many results the ledger has of a phone: they are credited when their round is closed."""
    with connect(site.address) as conn:
        row = conn.execute(
            "SELECT count(*) FROM ganns.phone_ledger l JOIN ganns.phones p ON p.id = l.phone_id "
            "WHERE l.accepted AND p.name = %s",
            [name],
        ).fetchone()
    assert row is not None
    return int(row[0])


# ------------------------------------------------------------------------------------------------- the messages


def test_a_result_and_a_greeting_are_read() -> None:
    read = read_result(result())
    assert (read.unit, read.loss_d, read.loss_g) == ("1/0/0/1", 1.4, 0.7)
    np.testing.assert_array_equal(read.gradient, GRADIENT)
    hello = read_hello('{"type": "hello", "name": "  A\\u202e\\n\\tda' + "x" * 100 + '", "key": "' + "k" * 99 + '"}')
    assert hello == Hello("A? da" + "x" * 35, ""), "no control character, no long name, no long secret"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x" * 8001, "8001 characters"),
        ("no json", "no JSON"),
        ("[" * 7000, "no JSON"),
        ("[]", "not of the type"),
        ('{"type": "hello"}', "not of the type"),
        (result(gradient=GRADIENT[1:]), "2760 bytes, not 2764"),
        (result(gradient=[*GRADIENT[1:], np.nan]), "not finite"),
        (result(gradient=[*GRADIENT[1:], -np.inf]), "not finite"),
        (result(gradient=[*GRADIENT[1:], 20000]), "above 10000"),
        (result(lossD=float("nan")), "'lossD' is not between"),
        (result(lossD=10**400), "'lossD' is not between"),
        (result(lossG=-1), "'lossG' is not between"),
        (result(lossG=True), "'lossG' is no number"),
        (result(lossG=None), "'lossG' is no number"),
        ('{"type": "result", "gradient": 7}', "'gradient' is no text"),
        ('{"type": "result", "gradient": "***"}', "not in base64"),
        ('{"type": "result", "gradient": "\\ud800"}', "not in base64"),
    ],
)
def test_whatever_is_not_exactly_a_result_is_refused(text: str, said: str) -> None:
    with pytest.raises(BadResult, match=re.escape(said)):
        read_result(text)


# ---------------------------------------------------------------------------------------------------- the rounds


def test_phones_train_together_and_the_projector_shows_it(class_of_phones: Site) -> None:
    with joined(class_of_phones, "<b>Ada\u202e") as ada, joined(class_of_phones) as ben:
        assert ben.welcome["name"].startswith("phone ")
        in_time = 0  # the others' results may close a round that was opened for the phones of another test
        while in_time < 2:
            in_time += ada.work()
            ben.work()
        wait_until(
            lambda: num_accepted(class_of_phones, "<b>Ada?") == 2, what="the second round is closed", every_s=0.1
        )
        wait_until(lambda: board(class_of_phones)["version"] >= 2, what="the projector shows it", every_s=0.1)
        seen = board(class_of_phones)
        assert seen["losses"] == [1.4, 0.7]
        assert len(base64.b64decode(seen["weights"])) == 4 * NUM_WEIGHTS
        names = {one["name"]: one for one in seen["phones"]}
        assert {"<b>Ada?", ben.welcome["name"]} <= names.keys(), "as text; the browser never takes it for HTML"
        assert len(names["<b>Ada?"]["arrow"]) == 4


def test_a_phone_comes_back_as_the_same_one(class_of_phones: Site) -> None:
    with joined(class_of_phones) as first:
        key, name = first.welcome["key"], first.welcome["name"]
        url = class_of_phones.url.replace("http", "ws") + "/phones/join"
        with open_socket(url) as socket:  # a second page of the same browser, meanwhile
            socket.send(json.dumps({"type": "hello", "name": "", "key": key}))
            assert json.loads(socket.recv(30))["key"] != key

    def returns() -> bool:
        with open_socket(url) as socket:
            socket.send(json.dumps({"type": "hello", "name": "", "key": key}))
            return bool(json.loads(socket.recv(30))["name"] == name)

    wait_until(returns, 30, "the same name, once the dashboard has noticed that the first page was closed", every_s=0.2)


@pytest.mark.parametrize(
    "nonsense",
    [b"\x00bytes", "no json", result("9/9/9/9"), result("", [np.nan] * NUM_WEIGHTS), json.dumps({"type": "hello"})],
    ids=["bytes", "text", "not its unit", "not finite", "hello again"],
)
def test_nonsense_ends_a_phone_and_another_one_gets_its_unit(class_of_phones: Site, nonsense: str | bytes) -> None:
    with joined(class_of_phones, "mallory") as mallory:
        mallory.take("unit")
        mallory.send(nonsense)
        assert mallory.take("refused")["text"]
        with pytest.raises(ConnectionClosed) as ended:
            mallory.socket.recv(30)
        assert ended.value.rcvd is not None
        assert ended.value.rcvd.code == 1008
    with joined(class_of_phones, "ada") as ada:
        assert ada.work(), "nothing that mallory held is missing"


def test_orders_need_an_instructor_and_begin_another_run(class_of_phones: Site) -> None:
    with visiting(class_of_phones.url) as viewer:
        assert viewer.post("/phones/order/begin", json={"recipe": "plain"}).status_code == 401
    with instructing(class_of_phones.url) as instructor:
        assert instructor.post("/phones/order/begin", json={"recipe": "magic"}).status_code == 422
        assert instructor.post("/phones/order/wait", json={"percent": 101}).status_code == 422
        before = board(class_of_phones)["run"]
        assert "new run" in instructor.post("/phones/order/begin", json={"recipe": "plain"}).json()["text"]
        with joined(class_of_phones) as phone:
            assert [phone.work() for _ in range(3)][-1]  # the first may be of the run before
            assert board(class_of_phones)["run"] == before + 1
            assert board(class_of_phones)["recipe"] == "plain"
        assert "100 %" in instructor.post("/phones/order/wait", json={"percent": 100}).json()["text"]
    with connect(class_of_phones.address) as conn:
        row = conn.execute("SELECT wait_percent FROM ganns.phone_runs WHERE ended_at IS NULL").fetchone()
    assert row == (100,)


def test_a_phones_page_may_load_our_scripts_and_nothing_else(class_of_phones: Site) -> None:
    answer = httpx.get(class_of_phones.url + "/phone")
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert '<script type="module" src="/phones/phone.js">' in answer.text
    for name in ["/phones/phone.js", "/phones/gan.js", "/phones/picture.js"]:
        script = httpx.get(class_of_phones.url + name)
        assert script.headers["content-type"].startswith("text/javascript")
    assert httpx.get(class_of_phones.url + "/phones/secrets.js").status_code == 404


def test_phones_are_off_unless_they_are_asked_for(site: Site) -> None:
    for path in ("/phones", "/phone", "/phones/gan.js"):
        assert httpx.get(site.url + path).status_code == 404
    for path in ("/phones/join", "/phones/watch"):
        with pytest.raises(InvalidStatus):
            open_socket(site.url.replace("http", "ws") + path)


# ------------------------------------------------------------------------------------------------------ the pages


def join_by_browser(browser: Browser, site: Site, name: str) -> Page:
    context = browser.new_context(viewport={"width": 390, "height": 844}, locale="en-US")
    phone = context.new_page()
    phone.goto(site.url + "/phone")
    phone.get_by_label("Your name").fill(name)
    phone.get_by_role("button", name="Join").click()
    return phone


def test_phones_and_projector_in_real_browsers(page: Page, browser: Browser, class_of_phones: Site) -> None:
    page.goto(class_of_phones.url + "/phones")
    ada, slow = (join_by_browser(browser, class_of_phones, name) for name in ("Ada", "Slow <i>Sam</i>"))
    expect(ada.locator("#who")).to_have_text("Ada")
    expect(page.locator(".phones-list .who", has_text="Slow <i>Sam</i>")).to_be_visible()
    expect(ada.locator("#says")).to_contain_text("In time")
    # With half of the results enough, the slow phone is late.
    with instructing(class_of_phones.url) as instructor:
        instructor.post("/phones/order/wait", json={"percent": 50})
    slow.locator("#slow").fill("1.5")
    expect(slow.locator("#slowness")).to_have_text("1.5 s")
    expect(slow.locator("#says")).to_contain_text("Too late")
    expect(page.locator(".phones-list .late", has_text="Slow")).to_contain_text("behind")
    version = int(ada.locator("#version").inner_text())
    expect(ada.locator("#version")).not_to_have_text(str(version))
    painted = page.evaluate(
        """() => { const c = document.querySelector(".phones-picture canvas");
        return new Set(c.getContext("2d").getImageData(0, 0, c.width, c.height).data).size; }"""
    )
    assert painted > 20, "the picture is drawn"
    ada.get_by_role("button", name="Leave").click()
    expect(page.locator(".phones-list .who", has_text="Ada")).to_have_count(0)
    for one in (ada, slow):
        one.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", PAGE_SIZES, ids=["1920", "1280", "390"])
def test_both_pages_are_accessible_and_fit(
    page: Page, browser: Browser, class_of_phones: Site, scheme: Literal["light", "dark"], size: tuple[int, int]
) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": size[0], "height": size[1]})
    with joined(class_of_phones, "Ada " + "x" * 36) as ada:
        assert ada.work()
        page.goto(class_of_phones.url + "/phones")
        expect(page.locator(".phones-list .who")).to_have_count(1)
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        assert_accessible(page)
    page.goto(class_of_phones.url + "/phone")
    assert_accessible(page)
    page.get_by_role("button", name="Join").click()
    expect(page.locator("#says")).to_contain_text("In time")
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    assert_accessible(page)


def test_an_instructor_begins_a_run_on_the_page(page: Page, class_of_phones: Site) -> None:
    page.goto(class_of_phones.url + "/login")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.goto(class_of_phones.url + "/phones")
    expect(page.locator(".phones-side")).to_contain_text("Run ")
    before = board(class_of_phones)["run"]
    page.get_by_role("button", name="New run, plain").click()
    expect(page.locator(".phones-side")).to_contain_text(f"Run {before + 1}, plain")
    page.get_by_label("Wait for").select_option("100")
    expect(page.locator(".phones-side")).to_contain_text("100 % of its results close a round")
    assert_accessible(page)
