"""Fields of a configuration that know their allowed values, and bounds that several groups share."""

from __future__ import annotations

from dataclasses import field
from typing import Any

TINY = 1e-12  # as the lowest value it means "more than 0"
YEAR_S = 366 * 86400
SEED_MAX = 2**31 - 1  # the order of an epoch's images comes from RandomState, which takes 32 bits


def number(default: float | None, low: float, high: float) -> Any:
    """Return a dataclass field for a number from `low` to `high`; None, as a default, means "not set"."""
    return field(default=default, metadata={"range": (low, high)})


def choice(default: Any, choices: tuple[Any, ...]) -> Any:
    """Return a dataclass field for one of `choices`."""
    return field(default=default, metadata={"choices": choices})
