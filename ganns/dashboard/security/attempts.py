"""How often a password may be tried: five times a minute from an address, and a hundred times in all."""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict, deque
from collections.abc import Callable

WINDOW_S = 60.0
MAX_EACH, MAX_ALL = 5, 100
MAX_ADDRESSES = 1000
"""The memory that strangers can fill: with more, the one that failed longest ago is forgotten."""


class Attempts:
    """Failures of the last minute, by address."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Remember nothing yet."""
        self._clock = clock
        self._all: deque[float] = deque(maxlen=MAX_ALL)
        self._each: OrderedDict[str, deque[float]] = OrderedDict()

    def wait_s(self, address: str) -> float:
        """Return after how many seconds this address may try again; 0 if it may now."""
        now, mine = self._clock(), self._each.get(_network(address))
        waits = [times[0] + WINDOW_S - now for times in (self._all, mine or deque()) if times and _full(times)]
        return max([0.0, *waits])

    def failed(self, address: str) -> None:
        """Remember a failure."""
        key, now = _network(address), self._clock()
        self._all.append(now)
        self._each.setdefault(key, deque(maxlen=MAX_EACH)).append(now)
        self._each.move_to_end(key)
        while len(self._each) > MAX_ADDRESSES:
            self._each.popitem(last=False)

    def __len__(self) -> int:
        """Return how many addresses are remembered."""
        return len(self._each)


def _full(times: deque[float]) -> bool:
    return len(times) == times.maxlen


def _network(address: str) -> str:
    """Return whom an address belongs to: with IPv6, one customer has 2^64 of them."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    return str(ipaddress.ip_network((ip, 64), strict=False)) if ip.version == 6 else str(ip)
