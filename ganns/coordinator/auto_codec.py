"""Choose the codec of a new run by the links of the workers that are there: `codec=auto`.

A round waits for its slow workers, and one phone in a tunnel must not decide alone: so the median of the slowest third
counts. The choice is stored with the run, in place of `auto`, and stays.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from typing import Any

from ganns.config import CodecConfig, Fp32Codec, HomeCodec, Int8Codec
from ganns.db.connect import Connection
from ganns.queue.rescue import SILENT_S
from ganns.store import lease

EXACT_MBIT, INT8_MBIT = 100.0, 20.0
"""From these speeds on `fp32` or `int8` is chosen; docs/explain/compression.md has the table."""
MOST_MBIT = 1e6
"""A worker that says more than this is not believed."""


def choose_codec(conn: Connection, codec: CodecConfig) -> CodecConfig:
    """Return the codec that is meant: for `auto` the one for the present workers, else `codec` itself."""
    return codec_for(slowest_third(lease.list_links(conn, SILENT_S))) if codec.name == "auto" else codec


def codec_for(mbit: float | None) -> CodecConfig:
    """Return the codec for a link; None: nothing is known of it."""
    if mbit is None or mbit < INT8_MBIT:
        return HomeCodec()
    return Fp32Codec() if mbit >= EXACT_MBIT else Int8Codec()


def slowest_third(links: Iterable[tuple[Any, Any]]) -> float | None:
    """Return the median of the slowest third of the links, in Mbit/s.

    Args:
        links: what each worker says of its link, up and down. A link counts by its slower direction; what is no speed
            does not count.

    Returns:
        The speed; None if no worker says anything.
    """
    found = sorted(min(known) for link in links if (known := [float(one) for one in link if _is_speed(one)]))
    return statistics.median(found[: math.ceil(len(found) / 3)]) if found else None


def _is_speed(value: Any) -> bool:
    return isinstance(value, float | int) and not isinstance(value, bool) and 0 < value < MOST_MBIT
