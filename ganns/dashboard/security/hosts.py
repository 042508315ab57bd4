"""Under which names the dashboard answers, and whose pages may talk to it.

A web page of a stranger can let its own name point to this machine (DNS rebinding); its scripts then count as ours. It
cannot choose the Host header, which says that name. So the dashboard answers to numbers, to this machine's names, and
to the names that it was told (`--hostname`), and to no other.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit


class Hosts:
    """The names of this dashboard."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        """Answer to these names, too."""
        mine = socket.gethostname().lower()
        self._names = {"localhost", mine, mine.partition(".")[0], f"{mine.partition('.')[0]}.local"}
        self._names |= {name.lower().rstrip(".") for name in names}

    def is_ours(self, host: str) -> bool:
        """Tell whether a Host header, "name:port", means this dashboard."""
        name = _split(host)[0]
        if name in self._names:
            return True
        try:
            ipaddress.ip_address(name.partition("%")[0])
        except ValueError:
            return False
        return True


def is_own_origin(origin: str, host: str, scheme: str) -> bool:
    """Tell whether a page of `origin` is one of the dashboard at `host`.

    Args:
        origin: the header, as "https://dash.example.org"; "null" is nobody's.
        host: the header, which was found to be ours.
        scheme: as the request came: http, https, ws or wss. A proxy that does not say so makes it http.
    """
    kind, _, rest = origin.partition("://")
    if kind not in ("http", "https") or _split(rest) != _split(host):
        return False
    return not (kind == "http" and scheme in ("https", "wss"))  # http can be forged on the way


def _split(host: str) -> tuple[str, int | None]:
    """Return (name, port), without a port that goes without saying."""
    try:
        parts = urlsplit(f"//{host}")
        port = parts.port
    except ValueError:
        return "", None
    if parts.username is not None or parts.path or parts.query or parts.fragment:
        return "", None
    return (parts.hostname or "").rstrip("."), None if port in (80, 443) else port
