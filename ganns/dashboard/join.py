"""Show others how to join: the dashboard's address for phones, as a QR code, and the commands for a computer.

The line for `ganns join` has a password, so no page shows it: the instructor hands it out, and `ganns join` asks for
it.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import segno
from nicegui import ui

from ganns.dashboard.components import Copyable
from ganns.dashboard.frame import text
from ganns.dashboard.reach import Reach
from ganns.db.encryption import is_here
from ganns.db.server.ports import EVERYWHERE, reachable_host


def address_for_others(seen: str, listens: str) -> str | None:
    """Return the dashboard's address for other machines; None if only this machine can reach it.

    Args:
        seen: the address of the page as its viewer typed it: "http://localhost:8080/". The guard has checked its name.
        listens: the address that the dashboard listens on.
    """
    parts = urlsplit(seen)
    host = parts.hostname or ""
    if is_here(host):
        host = reachable_host(listens) if listens in EVERYWHERE else listens
        if is_here(host):
            return None
    name = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{name}{f':{parts.port}' if parts.port else ''}"


def qr_code(url: str) -> str:
    """Return an address as a QR code in SVG. It is dark on light in both themes: many cameras read no other."""
    return segno.make_qr(url, error="m").svg_inline(border=3, omitsize=True, dark="#000", light="#fff", svgclass="qr")


def place_code(reach: Reach, path: str, why: str) -> None:
    """Place the QR code of a page, with its address; or say how phones could reach it.

    Args:
        reach: where the dashboard listens.
        path: of the page, from "/".
        why: what to do there, for the text below the code.
    """
    address = address_for_others(str(ui.context.client.request.base_url), reach.listens)
    with ui.element("div").classes("qr-card"):
        if address is None:
            text("p", "Phones cannot reach this dashboard. To let them in, start it with:")
            Copyable(reach.command)
            return
        url = address + path
        ui.html(qr_code(url), sanitize=False).props(f'role="img" aria-label="QR code of {url}"')  # our own SVG
        with text("p", f"{why}: "):
            text("code", url)


def place_card(reach: Reach) -> None:
    """Place the card with which a phone watches and a computer joins."""
    with ui.element("section").classes("card join").props('aria-labelledby="join"'):
        text("h2", "Join").props('id="join"')
        with ui.element("div").classes("join-ways"):
            place_code(reach, "/", "On a phone, scan it to watch")
            with ui.element("div"):
                text("p", "On a computer, paste the line that your instructor gives you when this command asks for it:")
                Copyable("ganns join")
                text("p", "Then compute with the class:")
                Copyable("ganns worker")
