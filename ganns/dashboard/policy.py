"""The Content-Security-Policy, which limits the sources of our pages, and the other headers of every answer.

NiceGUI's HTML contains scripts. Each has a nonce that is new for each page, so an injected script does not run. Vue
compiles templates in the browser, which needs 'unsafe-eval'; only our own components have templates. Scripts set styles
in many places, which needs 'unsafe-inline' for styles.
"""

from __future__ import annotations

import jinja2
from nicegui import client

HEADERS = {
    "x-content-type-options": "nosniff",
    # Not "no-referrer": the browser would then send forms with the origin "null".
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
"""For a page without scripts, and for every answer that is no page."""


def of_page(nonce: str, host: str) -> str:
    """Return the policy of one page.

    Args:
        nonce: the number that our scripts in this page have.
        host: the dashboard's name and port; older Safari does not accept WebSockets to the same host as 'self'.
    """
    return (
        "default-src 'none'; "
        f"script-src 'self' 'nonce-{nonce}' 'unsafe-eval'; "
        "style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; font-src 'self'; media-src 'self'; "
        f"connect-src 'self' ws://{host} wss://{host}; "
        "form-action 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'"
    )


def of_phone(host: str) -> str:
    """Return the policy of the page of a phone: our own scripts, and a WebSocket to `host`."""
    return f"{PLAIN}; script-src 'self'; connect-src 'self' ws://{host} wss://{host}"


def mark_scripts() -> None:
    """Make NiceGUI's template put the nonce on its own scripts. Scripts that a page adds get none."""
    environment = client.templates.env
    assert environment.loader is not None
    source, _, _ = environment.loader.get_source(environment, "index.html")
    marked = source.replace("<script", '<script nonce="{{ request.state.nonce }}"')
    environment.loader = jinja2.DictLoader({"index.html": marked})
    if environment.cache is not None:
        environment.cache.clear()
