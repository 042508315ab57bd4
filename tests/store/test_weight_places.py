"""A worker's places for weights: their order, and a fault of one means the next place."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from ganns.data.http.client import Timeouts
from ganns.store import weight_places
from ganns.store.weight_places import WebPlaces, WeightPlaces, through_cache
from ganns.utils.backoff import Rest
from tests.support.helpers import free_port
from tests.support.webserver import WebServer, serving

DATA = bytes(range(256)) * 40
NAME = "/faces/ganns/k/3-abc"
SIGNED = "?X-Amz-Credential=AKID%2F2026&X-Amz-Signature=5ec2e7"


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[WebServer]]:
    """Three servers that have the blob: a caching proxy, a content delivery network, a store."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as proxy, serving() as network, serving() as store:
        for server in (proxy, network, store):
            server.files[NAME] = DATA
        yield [proxy, network, store]


def places(servers: list[WebServer]) -> tuple[WebPlaces, WeightPlaces]:
    proxy, network, store = servers
    found = WeightPlaces(
        len(DATA), "xxh", hashlib.sha256(DATA).hexdigest(), [network.url + NAME, store.url + NAME + SIGNED]
    )
    return WebPlaces(proxy.url + "/", Timeouts(connect_s=1, silence_s=0.1)), found


def asked(servers: list[WebServer]) -> list[int]:
    return [len(server.requests) for server in servers]


def test_the_nearest_place_comes_first(servers: list[WebServer]) -> None:
    web, found = places(servers)
    assert web.fetch(found) == DATA
    assert asked(servers) == [1, 0, 0]
    web.cache = ""
    assert web.fetch(found) == DATA
    assert asked(servers) == [1, 1, 0]


@pytest.mark.parametrize(
    ("fault", "rests"),
    [
        (("status", 404), False),
        (("status", 403), False),
        (("declare", 20 * len(DATA)), False),  # more than the database says: nobody reads it to the end
        (("status", 503), True),
        (("stall", 100), True),
        (("cut", 100), True),
        (("garble", 7), True),
    ],
    ids=lambda value: "-".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_a_fault_means_the_next_place(
    servers: list[WebServer], fault: tuple[Any, ...], rests: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """A place that lacks one blob may have the next; one that does not work is left alone for a while."""
    web, found = places(servers)
    for server in servers[:2]:
        server.fault(NAME, *fault)
        if fault[0] == "declare":
            server.files[NAME] = DATA + b"more"
    assert web.fetch(found) == DATA
    assert [sum(server.fired.values()) for server in servers] == [1, 1, 0]
    assert asked(servers) == [1, 1, 1]
    assert [rest.is_on for rest in web.rests.values()] == [rests, rests, False]
    assert len([one for one in caplog.records if one.levelno >= logging.WARNING]) == 2 * rests
    for server in servers[:2]:
        server.files[NAME] = DATA
    assert web.fetch(found) == DATA
    assert asked(servers) == ([1, 1, 2] if rests else [2, 1, 1])


def test_the_database_is_asked_when_no_place_is_left(servers: list[WebServer]) -> None:
    web, found = places(servers)
    for server in servers:
        server.files.clear()
    assert web.fetch(found) is None
    assert asked(servers) == [1, 1, 1]


def test_a_place_that_is_too_slow_is_left(servers: list[WebServer], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weight_places, "FIRST_S", -1.0)
    monkeypatch.setattr(weight_places, "LEAST_BYTES_S", 1e12)
    web, found = places(servers)
    assert web.fetch(found) is None
    assert asked(servers) == [1, 1, 1]
    assert all(rest.is_on for rest in web.rests.values())


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """It is told once, until it works again, without the signature; also where httpx tells about each request."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    port = free_port()
    found = WeightPlaces(1, "", "0" * 64, [f"http://ada:secret@127.0.0.1:{port}{NAME}{SIGNED}"])
    web = WebPlaces("", Timeouts(connect_s=1, silence_s=1), {f"http://127.0.0.1:{port}": Rest(0, 0)})
    assert [web.fetch(found) for _ in range(3)] == [None] * 3
    assert web.rests[f"http://127.0.0.1:{port}"].failures == 3
    warnings = [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]
    assert len(warnings) == 1
    assert f"no weights from http://127.0.0.1:{port}: no connection" in warnings[0]
    assert not [text for text in caplog.messages if "5ec2e7" in text or "secret" in text]


def test_no_log_has_a_signature(servers: list[WebServer], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    web, found = places(servers)
    web.cache = ""
    servers[1].fault(NAME, "status", 404)
    assert web.fetch(found) == DATA
    assert caplog.messages
    assert not [text for text in caplog.messages if "5ec2e7" in text]


def test_a_proxys_address_has_the_same_path_and_query() -> None:
    address = f"https://store.example.org:9000{NAME}{SIGNED}"
    assert through_cache(address, "http://lab:8080") == f"http://lab:8080{NAME}{SIGNED}"
    assert through_cache(address, "http://lab/store/") == f"http://lab/store{NAME}{SIGNED}"


def test_a_proxy_without_an_address_is_left_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("GANNS_WEIGHTS_CACHE", "lab:8080")
    assert WebPlaces().cache == ""
    assert "GANNS_WEIGHTS_CACHE is left out: lab:8080 is not an address that can be fetched" in caplog.text


def test_a_rest_grows_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("ganns.utils.backoff.time.monotonic", lambda: now[0])
    monkeypatch.setattr(
        "ganns.utils.backoff.backoff_s", lambda failures, first, longest: min(longest, first * 2**failures)
    )
    rest = Rest(first_s=10, longest_s=30)
    assert not rest.is_on
    assert not rest.worked()
    assert [rest.failed(), rest.is_on] == [True, True]
    now[0] += 10
    assert not rest.is_on
    for pause in (20, 30, 30):
        assert not rest.failed()  # told already
        now[0] += pause - 1
        assert rest.is_on
        now[0] += 1
        assert not rest.is_on
    assert rest.worked()
    assert rest.failed()
