"""Where a phone finds its page, and that address as a QR code."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

import segno

from ganns.db.server.ports import EVERYWHERE, reachable_host

PATH = "/phone"
ONLY_HERE = "No phone can reach this dashboard, since it listens on this machine alone. Start it with: "
COMMAND = "ganns dashboard --phones --host 0.0.0.0"


def phone_address(scheme: str, host: str, listens: str, port: int) -> str | None:
    """Return the address of the phones' page; None if phones cannot reach this dashboard.

    Args:
        scheme: http or https, of a request for the projector's page.
        host: the Host header of that request, "name:port": a name at which the dashboard is reached.
        listens: the address that the dashboard listens on.
        port: its port.
    """
    if not _is_this_machine(host):
        return f"{scheme}://{host}{PATH}"
    if listens in EVERYWHERE:
        name = reachable_host(listens)
        return f"{scheme}://{f'[{name}]' if ':' in name else name}:{port}{PATH}"
    return None if _is_this_machine(listens) else f"{scheme}://{listens}:{port}{PATH}"


def qr_code(address: str) -> str:
    """Return a QR code as SVG. It is black on white in the dark theme, too: phones read nothing else reliably."""
    code = segno.make(address, error="m", micro=False)
    return str(code.svg_inline(border=3, dark="#000", light="#fff", omitsize=True))


def _is_this_machine(host: str) -> bool:
    name = urlsplit(f"//{host}").hostname or host
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
