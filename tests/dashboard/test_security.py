"""What strangers cannot do: raw requests against a dashboard that runs, and its parts alone."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect as open_socket

from benchmarks.lesson import Lesson
from ganns.dashboard.security.attempts import MAX_ADDRESSES, MAX_ALL, MAX_EACH, Attempts
from ganns.dashboard.security.hosts import Hosts, is_own_origin
from ganns.dashboard.security.sessions import MAX_SESSIONS, VALID_S, WebSessions
from ganns.db.address import Address
from ganns.monitor.watcher import Watcher
from tests.dashboard.browsing import PASSWORD, csrf, form_token, instructing, log_in, visiting
from tests.dashboard.conftest import Site, serving
from tests.support.helpers import wait_until

SHOWN = r"/\d/.test(document.querySelector('.figure strong')?.textContent)"
DATABASE_PASSWORD = "d4tabase-s3cret"
FOREIGN = "https://evil.example"
PAGES = ("/", "/run/1", "/run/99", "/people", "/runs", "/learn", "/login", "/control", "/nothing", "/run/no", "/run/-1")


@pytest.fixture(scope="module")
def secured(class_database: Address, lesson: Lesson, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Yield a dashboard with a known password, on a database whose address has one, too."""
    address = replace(class_database, conninfo=make_conninfo(class_database.conninfo, password=DATABASE_PASSWORD))
    with serving(address, tmp_path_factory.mktemp("secured"), GANNS_DASHBOARD_PASSWORD=PASSWORD) as site:
        yield site


def order(client: httpx.Client, lesson: Lesson, **headers: str) -> httpx.Response:
    return client.post(f"/control/runs/{lesson.run}/pause", json={}, headers=headers)


def unknown_runs(number: int) -> str:
    return "&".join(f"run={1000 + 6 * number + one}" for one in range(6))


def is_wanted(lesson: Lesson) -> str:
    row = lesson.conn.execute("SELECT wanted FROM ganns.runs WHERE id = %s", (lesson.run,)).fetchone()
    assert row is not None
    return str(row[0])


# ------------------------------------------------------------------------------------------------------ the login


def test_the_login_sets_a_cookie_that_no_script_and_no_other_site_can_use(secured: Site) -> None:
    with visiting(secured.url) as client:
        answer = log_in(client)
        assert (answer.status_code, answer.headers["location"]) == (303, "/control")
        cookie = next(one for one in answer.headers.get_list("set-cookie") if not re.search("_form=|Max-Age=0", one))
        assert {"HttpOnly", "SameSite=strict", "Path=/", "Max-Age=43200"} <= set(cookie.split("; "))
        assert "Secure" not in cookie
    # A proxy on this machine says that the browser's side of it is encrypted.
    encrypted = {"X-Forwarded-Proto": "https", "Origin": secured.url.replace("http", "https")}
    page = httpx.get(secured.url + "/login", headers=encrypted)
    cookies = [one for one in page.headers.get_list("set-cookie") if "Secure" in one]
    data = {"csrf": form_token(page.text), "password": PASSWORD}
    answer = httpx.post(secured.url + "/login", data=data, headers=encrypted | {"Cookie": cookies[0].partition(";")[0]})
    assert answer.status_code == 303
    assert all("Secure" in one for one in answer.headers.get_list("set-cookie") if "Max-Age=0" not in one)


def test_a_session_is_new_with_each_login_and_ends_everywhere_with_a_logout(secured: Site, lesson: Lesson) -> None:
    name = f"ganns_session_{secured.url.rpartition(':')[2]}"
    with visiting(secured.url) as client:
        client.cookies.set(name, "chosen-by-another-person", domain="127.0.0.1", path="/")
        log_in(client)
        first, token = client.cookies[name], csrf(client)
        assert first != "chosen-by-another-person"
        copied = {"Cookie": f"{name}={first}"}
        assert httpx.get(secured.url + "/control", headers=copied).status_code == 200
        with instructing(secured.url) as other:
            assert other.cookies[name] != first
            assert other.headers["X-CSRF-Token"] != token
            assert other.post("/logout", data={"csrf": token}).status_code == 403  # of another session
        assert client.post("/logout", data={"csrf": token}).status_code == 303
    assert httpx.get(secured.url + "/control", headers=copied).headers["location"] == "/login"
    own = copied | {"Origin": secured.url, "X-CSRF-Token": token}
    answer = httpx.post(f"{secured.url}/control/runs/{lesson.run}/pause", json={}, headers=own)
    assert answer.status_code == 401
    assert is_wanted(lesson) == "run"


def test_wrong_passwords_are_counted(
    class_database: Address, lesson: Lesson, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with serving(class_database, tmp_path_factory.mktemp("tried"), GANNS_DASHBOARD_PASSWORD=PASSWORD) as site:
        with visiting(site.url) as client:
            answers = [log_in(client, f"guess {number}").status_code for number in range(MAX_EACH)]
            assert answers == [403] * MAX_EACH
            answer = log_in(client)  # the right one, too
            assert answer.status_code == 429
            assert 0 < int(answer.headers["retry-after"]) <= 60
            assert "Try again in" in answer.text
        with visiting(site.url) as client:  # a proxy on this machine says for whom it asks
            client.headers["X-Forwarded-For"] = "203.0.113.7"
            assert log_in(client).status_code == 303
        assert "guess" not in site.log.read_text()


def test_a_login_form_of_another_visitor_is_refused(secured: Site) -> None:
    with visiting(secured.url) as client:
        token = form_token(client.get("/login").text)
        client.cookies.clear()
        assert client.post("/login", data={"csrf": token, "password": PASSWORD}).status_code == 403
        client.get("/login")
        assert client.post("/login", data={"csrf": token, "password": PASSWORD}).status_code == 403
        assert client.post("/login", data={"password": PASSWORD}).status_code == 403


# --------------------------------------------------------------------------------------------- who may order


def test_viewers_can_change_nothing(secured: Site, lesson: Lesson) -> None:
    with visiting(secured.url) as client:
        assert order(client, lesson).status_code == 401
        assert client.post(f"/control/runs/{lesson.run}/quorum", json={"units": 1}).status_code == 401
        assert client.post("/control/workers", json={"name": "anna", "draining": True}).status_code == 401
        assert client.get(f"/control/runs/{lesson.run}").status_code == 401
        assert client.get("/control").headers["location"] == "/login"
        for method in ("PUT", "DELETE", "PATCH"):
            assert client.request(method, f"/control/runs/{lesson.run}/pause").status_code == 405
    assert is_wanted(lesson) == "run"


@pytest.mark.parametrize("origin", [FOREIGN, "null", "http://127.0.0.1:1", "", None])
def test_another_site_cannot_use_an_instructors_session(secured: Site, lesson: Lesson, origin: str | None) -> None:
    with instructing(secured.url) as client:
        headers = {} if origin is None else {"Origin": origin}
        if origin is None:
            del client.headers["Origin"]
        assert order(client, lesson, **headers).status_code == 403
        assert client.post("/logout", data={"csrf": client.headers["X-CSRF-Token"]}, headers=headers).status_code == 403
        assert client.post("/login", data={"password": PASSWORD}, headers=headers).status_code == 403
        assert client.get("/control").status_code == 200  # still logged in
    assert is_wanted(lesson) == "run"


def test_an_order_needs_the_token_of_its_own_session(secured: Site, lesson: Lesson) -> None:
    with instructing(secured.url) as client, instructing(secured.url) as other:
        for token in ("", "wrong", other.headers["X-CSRF-Token"]):
            assert order(client, lesson, **{"X-CSRF-Token": token}).status_code == 403
        assert is_wanted(lesson) == "run"
        assert order(client, lesson).status_code == 200
        assert is_wanted(lesson) == "pause"
        assert client.post(f"/control/runs/{lesson.run}/resume", json={}).status_code == 200


def test_sockets_of_another_site_are_refused(secured: Site) -> None:
    live, nicegui = "/live?runs=1", "/_nicegui_ws/socket.io/?EIO=4&transport=websocket&implicit_handshake=false"
    for path in (live, nicegui):
        base = secured.url.replace("http", "ws") + path
        with open_socket(base, origin=secured.url) as socket:
            assert socket.recv(30)
        for origin in (FOREIGN, "null"):
            with pytest.raises(InvalidStatus) as refused:
                open_socket(base, origin=origin)
            assert refused.value.response.status_code == 403
    polling = "/_nicegui_ws/socket.io/?EIO=4&transport=polling"
    with visiting(secured.url) as client:
        assert client.get(polling, headers={"Origin": FOREIGN}).status_code == 403
        answer = client.get(polling)
        assert answer.status_code == 200
        assert "access-control-allow-origin" not in answer.headers


def test_a_name_that_is_not_ours_gets_nothing(secured: Site) -> None:
    with visiting(secured.url) as client:
        answer = client.get("/", headers={"Host": "evil.example:8080"})
        assert answer.status_code == 421
        assert "--hostname" in answer.text
    with pytest.raises(InvalidStatus):
        open_socket(
            secured.url.replace("http", "ws") + "/live", origin=FOREIGN, additional_headers={"Host": "evil.example"}
        )


# ------------------------------------------------------------------------------------------- what is answered


def test_every_answer_has_the_headers_and_no_secret(secured: Site, lesson: Lesson, page: Page) -> None:
    seen: list[httpx.Response] = []
    with visiting(secured.url) as client, instructing(secured.url) as instructor:
        for path in PAGES:
            seen += [one.get(path, headers={"Accept": "text/html"}) for one in (client, instructor)]
        seen += [log_in(client, "no"), client.get("/samples/1/0.webp"), client.get("/samples/1/99999999999.webp")]
        seen += [
            client.get("/people/%00", headers={"Accept": "text/html"}),
            client.post("/login", content=b"x" * 100_000),
        ]
        links = {
            link for one in seen for link in re.findall(r'(?:href|src|from) ?=? ?"(/[^"]+\.(?:css|js|mjs))"', one.text)
        }
        assert len(links) > 5
        seen += [client.get(link) for link in sorted(links)]
        seen.append(order(instructor, lesson))
        seen.append(instructor.post(f"/control/runs/{lesson.run}/resume", json={}))
        seen.append(instructor.get(f"/control/runs/{lesson.run}"))
    for one in seen:
        headers = one.headers
        assert headers["x-content-type-options"] == "nosniff", one.url
        assert headers["referrer-policy"] == "same-origin"
        assert headers["x-frame-options"] == "DENY"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "server" not in headers
        assert "x-powered-by" not in headers
    frames: list[str] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: frames.append(str(frame))))
    page.goto(secured.url)
    page.wait_for_function(SHOWN)
    texts = [one.text for one in seen] + frames + [secured.log.read_text(), page.content()]
    assert any("people" in one or "run" in one for one in frames)
    for text in texts:
        for secret in (PASSWORD, DATABASE_PASSWORD, "Traceback"):
            assert secret not in text
    for text in texts[:-2]:
        assert "postgresql://postgres" not in text
        assert str(secured.log.parent) not in text
    statuses = {one.status_code for one in seen}
    assert statuses <= {200, 303, 403, 404, 413, 422}, statuses


def test_the_policy_lets_our_scripts_run_and_no_others(secured: Site, browser: Browser) -> None:
    page = browser.new_page()
    page.goto(secured.url)
    page.wait_for_function(SHOWN)
    page.evaluate(
        """() => {
            document.addEventListener("securitypolicyviolation", (e) => (window.refused = e.effectiveDirective));
            const script = document.createElement("script");
            script.textContent = "window.smuggled = true";
            document.body.append(script);
        }"""
    )
    page.wait_for_function("window.refused")
    assert page.evaluate("[window.refused, window.smuggled ?? false]") == ["script-src-elem", False]
    page.close()
    nonces = {re.findall("'nonce-([^']+)'", httpx.get(secured.url).headers["content-security-policy"])[0] for _ in "ab"}
    assert len(nonces) == 2


def test_viewers_get_no_cookie(secured: Site) -> None:
    with visiting(secured.url) as client:
        assert [client.get(path).headers.get("set-cookie") for path in ("/", "/people", "/samples/1/0.webp")] == [
            None
        ] * 3


def test_errors_say_what_to_do(secured: Site) -> None:
    with visiting(secured.url) as client:
        client.headers["Accept"] = "text/html"
        for path in ("/nothing", "/run/no", "/openapi.json", "/redoc", "/docs/../../etc/passwd"):
            answer = client.get(path)
            assert answer.status_code == 404
            assert "<h1>There is no such page</h1>" in answer.text
        for path, title in (
            ("/run/12345", "There is no run 12345"),
            ("/run/12345/projector", "There is no run 12345"),
            ("/people?run=12345", "There is no run 12345"),
            ("/sweeps/nothing<b>", "There is no sweep nothing&lt;b&gt;"),
        ):
            answer = client.get(path)
            assert answer.status_code == 404
            assert f"<h1>{title}</h1>" in answer.text
        assert client.post("/login", content=b"x" * 100_000).status_code == 413
        assert client.post("/login", content=(b"x" * 10_000 for _ in range(20))).status_code == 413  # no length said


def test_the_join_card_has_a_code_and_no_secret(secured: Site) -> None:
    secret = conninfo_to_dict(secured.address.conninfo).get("password") or PASSWORD
    with visiting(secured.url) as client:
        here = client.get("/").text
        there = client.get("/", headers={"Host": "192.168.1.7:8080"}).text
    assert "Phones cannot reach this dashboard" in here
    assert "QR code of http://192.168.1.7:8080/" in there
    for page in (here, there):
        assert "ganns join" in page
        assert "postgresql://" not in page
        assert secret not in page


def test_a_viewer_who_watches_too_much_disturbs_no_other(secured: Site, lesson: Lesson) -> None:
    base = secured.url.replace("http", "ws") + "/live?"
    with open_socket(base + f"run={lesson.run}", origin=secured.url) as good:
        good.recv(30)
        for query in ("run=99999999999999999999", "run=-1", "people=x"):
            with pytest.raises(InvalidStatus):
                open_socket(base + query, origin=secured.url)
        with ExitStack() as many:
            for number in range(16):  # of 6 topics each; 100 may be watched
                many.enter_context(open_socket(base + unknown_runs(number), origin=secured.url))
            with pytest.raises(InvalidStatus):
                many.enter_context(open_socket(base + unknown_runs(16), origin=secured.url))
        lesson.play()
        assert '"trouble"' not in str(good.recv(30))


# ------------------------------------------------------------------------------------------------ the parts alone


def test_that_the_database_is_away_is_said_without_its_address() -> None:
    said: list[str] = []
    watcher = Watcher(Address("postgresql://ada:s3cret@127.0.0.1:1/treasure", "GANNS_DATABASE_URL"), "test")
    watcher.start()
    try:
        wait_until(lambda: watcher.trouble, 30, "the watcher to notice")
        with watcher.watching([("runs", 0)], said.extend):
            assert "does not answer" in said[0]
            assert not re.search("ada|s3cret|127|treasure", said[0])
    finally:
        watcher.stop()
        watcher.join(30)


def test_sessions_end_and_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    sessions, now = WebSessions("pass word"), [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    assert sessions.log_in("pass") is None
    tokens = [sessions.log_in("pass word") for _ in range(MAX_SESSIONS + 1)]
    assert sessions.find(tokens[0]) is None
    assert sessions.find(tokens[1]) is not None
    assert sessions.find("") is sessions.find(None) is None
    now[0] = VALID_S
    assert sessions.find(tokens[-1]) is None
    assert "csrf" not in repr(sessions.find(sessions.log_in("pass word")))
    assert sessions.is_form_token("a", sessions.form_token("a"))
    assert not sessions.is_form_token("b", sessions.form_token("a"))
    assert not sessions.is_form_token("", sessions.form_token(""))


def test_the_limit_holds_for_attempts_at_the_same_moment(class_database: Address, tmp_path: Path) -> None:
    """On a dashboard of its own: the limit holds for all tests that log in afterwards, too."""
    with serving(class_database, tmp_path, GANNS_DASHBOARD_PASSWORD=PASSWORD) as site:
        codes = codes_at_once(site.url, 300)
    assert codes.count(403) <= MAX_EACH
    assert set(codes) == {403, 429}


def codes_at_once(url: str, num: int) -> list[int]:
    """The answers to wrong passwords that are sent at the same moment."""
    with visiting(url) as client:
        token, cookies = form_token(client.get("/login").text), dict(client.cookies)

    async def attempt(client: httpx.AsyncClient) -> int:
        return (await client.post("/login", data={"csrf": token, "password": "wrong"})).status_code

    async def all_at_once() -> list[int]:
        limits = httpx.Limits(max_connections=100)
        async with httpx.AsyncClient(
            base_url=url, cookies=cookies, limits=limits, timeout=120, headers={"Origin": url}
        ) as client:
            return await asyncio.gather(*(attempt(client) for _ in range(num)))

    with ThreadPoolExecutor(1) as pool:  # Playwright leaves a running loop in this thread
        return pool.submit(asyncio.run, all_at_once()).result()


def test_attempts_are_counted_by_network_and_in_all_and_forgotten() -> None:
    now = [0.0]
    attempts = Attempts(lambda: now[0])
    for number in range(MAX_EACH):
        assert attempts.wait_s("2001:db8::1") == 0
        attempts.count(f"2001:db8::{number}")  # one customer
    now[0] = 20.0
    assert attempts.wait_s("2001:db8::ffff") == 40
    assert attempts.wait_s("2001:db8:0:1::1") == 0
    for number in range(MAX_ALL):
        attempts.count(f"10.0.0.{number}")
    assert attempts.wait_s("192.0.2.1") == 60
    now[0] = 80.0
    assert attempts.wait_s("192.0.2.1") == attempts.wait_s("2001:db8::1") == 0
    joins = Attempts(lambda: now[0], each=1, total=2)
    joins.count("10.0.0.1")
    assert (joins.wait_s("10.0.0.1"), joins.wait_s("10.0.0.2")) == (60, 0)
    joins.count("10.0.0.2")
    assert joins.wait_s("10.0.0.3") == 60
    for number in range(MAX_ADDRESSES + 5):
        attempts.count(f"host-{number}")
    assert len(attempts) == MAX_ADDRESSES


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        *(("localhost:8080", True), ("127.0.0.1", True), ("[::1]:8080", True), ("192.168.1.7:80", True)),
        *(("dash.example.org", True), ("DASH.example.org.:443", True), ("evil.example", False), ("", False)),
        *(("localhost.evil.example", False), ("localhost@evil.example", False), ("dash.example.org/x", False)),
        *(("127.0.0.1:x", False), ("127.0.0.1.nip.example", False)),
    ],
)
def test_hosts(host: str, ours: bool) -> None:
    assert Hosts(["Dash.example.org"]).is_ours(host) is ours


@pytest.mark.parametrize(
    ("origin", "host", "scheme", "own"),
    [
        ("http://localhost:8080", "localhost:8080", "http", True),
        ("http://localhost:8080", "localhost:8080", "ws", True),
        ("https://dash.example.org", "dash.example.org", "http", True),  # the proxy does not say so
        ("https://dash.example.org", "dash.example.org:443", "https", True),
        ("http://dash.example.org", "dash.example.org", "https", False),
        ("http://localhost:8081", "localhost:8080", "http", False),
        ("http://127.0.0.1:8080", "localhost:8080", "http", False),
        ("https://evil.example", "dash.example.org", "https", False),
        ("https://dash.example.org.evil.example", "dash.example.org", "https", False),
        ("https://dash.example.org@evil.example", "dash.example.org", "https", False),
        ("null", "dash.example.org", "https", False),
        ("", "", "http", False),
        ("file://", "", "http", False),
        ("http://", "", "http", True),
    ],
)
def test_origins(origin: str, host: str, scheme: str, own: bool) -> None:
    assert is_own_origin(origin, host, scheme) is own
