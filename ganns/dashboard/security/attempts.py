"""A limit of attempts in a minute, from one address and in total: wrong passwords, phones that join, and votes."""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict, deque
from collections.abc import Callable

WINDOW_S = 60.0
MAX_EACH, MAX_ALL = 5, 100
"""Of wrong passwords."""
MAX_ADDRESSES = 1000
"""The most addresses that are remembered; with more, the one with the oldest attempt is dropped."""


class Attempts:
    """The attempts of the last minute, by address."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, *, each: int = MAX_EACH, total: int = MAX_ALL
    ) -> None:
        """Start empty; in a minute, allow `each` from one address, and `total`."""
        self._clock, self._most = clock, each
        self._all: deque[float] = deque(maxlen=total)
        self._each: OrderedDict[str, deque[float]] = OrderedDict()

    def wait_s(self, address: str) -> float:
        """Return the seconds until this address may try again; 0 if it may try now."""
        now, mine = self._clock(), self._each.get(_network(address))
        waits = [times[0] + WINDOW_S - now for times in (self._all, mine or deque()) if times and _full(times)]
        return max([0.0, *waits])

    def count(self, address: str) -> None:
        """Record an attempt."""
        key, now = _network(address), self._clock()
        self._all.append(now)
        self._each.setdefault(key, deque(maxlen=self._most)).append(now)
        self._each.move_to_end(key)
        while len(self._each) > MAX_ADDRESSES:
            self._each.popitem(last=False)

    def __len__(self) -> int:
        """Return the number of addresses that are remembered."""
        return len(self._each)


def _full(times: deque[float]) -> bool:
    return len(times) == times.maxlen


def _network(address: str) -> str:
    """Return the network of an address: with IPv6, one customer has 2^64 addresses."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    return str(ipaddress.ip_network((ip, 64), strict=False)) if ip.version == 6 else str(ip)
