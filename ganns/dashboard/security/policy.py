"""What a browser may load into our pages, and the other headers that every answer has.

NiceGUI's page has scripts of its own in the HTML: they carry a number that is new with each page, and a script that
somebody smuggled in would not know it. Vue compiles templates in the browser, which needs 'unsafe-eval'; so a text can
become a program only by way of our own components. Styles are set from scripts everywhere: 'unsafe-inline'.
"""

from __future__ import annotations

import jinja2
from nicegui import client

HEADERS = {
    "x-content-type-options": "nosniff",
    # Not "no-referrer": a form would then be sent with the origin "null".
    "referrer-policy": "same-origin",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
PLAIN = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
"""Of a page without scripts, and of everything that is no page."""


def of_page(nonce: str, host: str) -> str:
    """Return the policy of one page.

    Args:
        nonce: of this page's own scripts.
        host: where it came from; older Safari does not count WebSockets to the same host as 'self'.
    """
    return (
        "default-src 'none'; "
        f"script-src 'self' 'nonce-{nonce}' 'unsafe-eval'; "
        "style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; font-src 'self'; media-src 'self'; "
        f"connect-src 'self' ws://{host} wss://{host}; "
        "form-action 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'"
    )


def mark_scripts() -> None:
    """Let NiceGUI's template put the nonce on its own scripts; what a page adds to it stays without."""
    environment = client.templates.env
    assert environment.loader is not None
    source, _, _ = environment.loader.get_source(environment, "index.html")
    marked = source.replace("<script", '<script nonce="{{ request.state.nonce }}"')
    environment.loader = jinja2.DictLoader({"index.html": marked})
    if environment.cache is not None:
        environment.cache.clear()
