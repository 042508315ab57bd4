"""The names of the dashboard, and the origins that may send requests to it.

A foreign web page can make its own name point to this machine (DNS rebinding); then a browser trusts its scripts as
ours. But the page cannot change the Host header, which contains its name. So the dashboard answers only requests for IP
addresses, for this machine's names, and for the names that `--hostname` gives.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit


class Hosts:
    """The names of this dashboard."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        """Accept these names in addition to the machine's own."""
        mine = socket.gethostname().lower()
        self._names = {"localhost", mine, mine.partition(".")[0], f"{mine.partition('.')[0]}.local"}
        self._names |= {name.lower().rstrip(".") for name in names}

    def is_ours(self, host: str) -> bool:
        """Return whether a Host header, "name:port", is a name of this dashboard."""
        name = _split(host)[0]
        if name in self._names:
            return True
        try:
            ipaddress.ip_address(name.partition("%")[0])
        except ValueError:
            return False
        return True


def is_own_origin(origin: str, host: str, scheme: str) -> bool:
    """Return whether a page of `origin` belongs to the dashboard at `host`.

    Args:
        origin: the Origin header, as "https://dash.example.org"; "null" is always foreign.
        host: the Host header, which `Hosts.is_ours` has accepted.
        scheme: of the request: http, https, ws or wss; http behind a proxy that does not pass the scheme on.
    """
    kind, _, rest = origin.partition("://")
    if kind not in ("http", "https") or _split(rest) != _split(host):
        return False
    return not (kind == "http" and scheme in ("https", "wss"))  # an attacker in the network can forge a page over http


def _split(host: str) -> tuple[str, int | None]:
    """Return (name, port); None stands for the default ports 80 and 443."""
    try:
        parts = urlsplit(f"//{host}")
        port = parts.port
    except ValueError:
        return "", None
    if parts.username is not None or parts.path or parts.query or parts.fragment:
        return "", None
    return (parts.hostname or "").rstrip("."), None if port in (80, 443) else port
