"""Choose the codec of a new run by the links of the workers that are there: `codec=auto`.

A round waits for its slow workers, and one phone in a tunnel must not decide alone: so the median of the slowest third
counts. The choice is stored with the run, in place of `auto`, and stays.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping

from ganns.config import CodecConfig, Fp32Codec, HomeCodec, Int8Codec

EXACT_MBIT, INT8_MBIT = 100.0, 20.0
"""From these speeds on `fp32` or `int8` is chosen; docs/explain/compression.md has the table."""


def codec_for(mbit: float | None) -> CodecConfig:
    """Return the codec for a link; None: nothing is known of it."""
    if mbit is None or mbit < INT8_MBIT:
        return HomeCodec()
    return Fp32Codec() if mbit >= EXACT_MBIT else Int8Codec()


def slowest_third(figures: Iterable[Mapping[str, float]]) -> float | None:
    """Return the median of the slowest third of the links, in Mbit/s.

    Args:
        figures: `ganns.queue.machine.FIGURES` of each worker. A link counts by its slower direction.

    Returns:
        The speed; None if no worker has measured its link.
    """
    links = ([one[way] for way in ("up_mbit", "down_mbit") if way in one] for one in figures)
    found = sorted(min(link) for link in links if link)
    return statistics.median(found[: math.ceil(len(found) / 3)]) if found else None
