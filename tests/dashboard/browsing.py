"""Requests as a browser, or a program that pretends to be one, sends them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

PASSWORD = "correct horse battery"


@contextmanager
def visiting(url: str) -> Iterator[httpx.Client]:
    """Yield a browser without scripts, which says where its requests come from."""
    with httpx.Client(base_url=url, headers={"Origin": url}, timeout=60) as client:
        yield client


def form_token(html: str) -> str:
    """Return the token of a form."""
    found = re.search(r'name="csrf" value="([^"]+)"', html)
    assert found, html[:500]
    return found[1]


def log_in(client: httpx.Client, password: str = PASSWORD) -> httpx.Response:
    """Send the login's form, as a browser does."""
    page = client.get("/login", headers={"Accept": "text/html"})
    return client.post("/login", data={"csrf": form_token(page.text), "password": password})


def csrf(client: httpx.Client) -> str:
    """Return the session's token from the instructor's page."""
    found = re.search(r'"csrf":"([^"]+)"', client.get("/control").text)
    assert found
    return found[1]


@contextmanager
def instructing(url: str, password: str = PASSWORD) -> Iterator[httpx.Client]:
    """Yield an instructor's browser, whose every request carries the token of its session."""
    with visiting(url) as client:
        answer = log_in(client, password)
        assert answer.status_code == 303, answer.text
        client.headers["X-CSRF-Token"] = csrf(client)
        yield client
