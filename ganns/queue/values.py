"""Values of Python that JSON does not have, as JSON: tuples, dicts with numbers as keys, large floats.

    (1, 2)          {"$tuple": [1, 2]}
    {1: "a"}        {"$dict": [[1, "a"]]}
    1e22            {"$float": "1e+22"}       PostgreSQL writes large numbers without exponent, as integers
    bytes           {"$result": 17}           the bytes that job 17 returned; only the database writes this one

All other values are their own JSON. A dict that looks like one of these is written as `$dict`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Set
from datetime import date, time
from typing import Any

_TAGS = frozenset({"$tuple", "$dict", "$float", "$result"})
EXACT_FLOAT = 1e16
"""Python writes floats from here on with an exponent."""


def to_plain(value: Any) -> Any:
    """Return `value` with the marks; the JSON encoder refuses what it cannot write.

    Raises:
        TypeError: for a value that has no JSON, or a key of a dict that is no text, number, boolean or None.
        ValueError: for a number that is infinite, or none.
    """
    kind = type(value)
    if kind is str or kind is int or kind is bool or value is None:
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} is no finite number; pass None, or a text, in its place")
        large = abs(value) >= EXACT_FLOAT or (value == 0 and math.copysign(1, value) < 0)
        return {"$float": repr(float(value))} if large else value
    if isinstance(value, tuple):
        return {"$tuple": [to_plain(one) for one in value]}
    if isinstance(value, list):
        return [to_plain(one) for one in value]
    if isinstance(value, dict):
        if all(isinstance(key, str) for key in value) and not (len(value) == 1 and _TAGS.issuperset(value)):
            return {key: to_plain(one) for key, one in value.items()}
        for key in value:
            if key is not None and not isinstance(key, str | int | float):
                raise TypeError(f"a key of a dict is a {type(key).__name__}: keys are texts or numbers")
        return {"$dict": [[to_plain(key), to_plain(one)] for key, one in value.items()]}
    if isinstance(value, str | int):  # of a class of their own, as a member of an IntEnum
        return value
    raise TypeError(f"an object of {kind.__module__}.{kind.__qualname__} cannot be sent; {_instead(value)}")


def _instead(value: Any) -> str:
    """Return what to pass in the place of a value that JSON does not have."""
    if isinstance(value, bytes | bytearray | memoryview):
        return "bytes can only be a whole result: return them alone, and the next task of a chain gets them"
    if isinstance(value, Set | Iterator | range):
        return "write list(...)"
    if isinstance(value, date | time):
        return "write .isoformat()"
    if callable(getattr(value, "tolist", None)):  # NumPy and PyTorch
        return "write .tolist() for a few numbers, or return bytes"
    if hasattr(value, "delay") or hasattr(value, "ready"):
        return "a task that needs another one's result is the next one of a chain, or a chord's body"
    return "pass its name or its numbers, or return it as bytes"


def from_plain(value: Any, fetch: Callable[[int], bytes] | None = None) -> Any:
    """Return the value that `to_plain` was given; `fetch` returns the bytes of a job, where `$result` names one."""
    if isinstance(value, list):
        return [from_plain(one, fetch) for one in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        [(key, content)] = value.items()
        if key == "$tuple" and isinstance(content, list):
            return tuple(from_plain(one, fetch) for one in content)
        if key == "$dict" and isinstance(content, list):
            return {from_plain(one, fetch): from_plain(other, fetch) for one, other in content}
        if key == "$float":
            return float(content)
        if key == "$result" and fetch is not None:
            return fetch(content)
    return {key: from_plain(one, fetch) for key, one in value.items()}
