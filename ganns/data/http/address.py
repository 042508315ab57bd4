"""Addresses of data sets: tell a URL from a path, check it, and show it without its password."""

from __future__ import annotations

import re

import httpx

from ganns.errors import DownloadError


def is_url(text: str) -> bool:
    """Tell whether `text` is an address to fetch from rather than a path."""
    return text.startswith(("http://", "https://"))


def check_address(url: str) -> None:
    """Check that `url` can be fetched.

    Raises:
        DownloadError: if `url` is not http or https, or has no host.
    """
    try:
        if is_url(url) and httpx.URL(url).host:
            return
    except httpx.InvalidURL:
        pass
    raise DownloadError(f"{shown(url)} is not an address that can be fetched: give http://... or https://...")


def shown(url: str) -> str:
    """Return an address for messages: without password, and without a query, which may be a signature."""
    return re.sub(r"[?#].*", "", re.sub(r"//[^/@]*@", "//", url))
