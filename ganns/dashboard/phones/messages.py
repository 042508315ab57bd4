"""The two messages of a phone. Everything in them may be made up, so whatever is not exactly right is refused here."""

from __future__ import annotations

import base64
import binascii
import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ganns.dashboard.phones.network import NUM_WEIGHTS, Vector
from ganns.errors import BadResult
from ganns.utils.printable import printable

MAX_CHARS = 8_000
"""The longest message: a gradient of 691 numbers has 3,688 characters in base64."""
MAX_NAME = 40
MAX_KEY = 64
MAX_NUMBER = 1e4
"""The largest absolute value of a gradient's number, and of a loss."""


@dataclass(frozen=True)
class Hello:
    """The first message of a phone: its name ("" is none), and the secret that it was given before ("" is none)."""

    name: str
    key: str


@dataclass(frozen=True)
class Result:
    """The result of a unit: which one, the gradient (691,) in float32, and the two losses."""

    unit: str
    gradient: Vector
    loss_d: float
    loss_g: float


def read_hello(text: str) -> Hello:
    """Return the first message.

    Raises:
        BadResult: it is no such message.
    """
    message = _read(text, "hello")
    name, key = _text(message, "name"), _text(message, "key")
    return Hello(printable(" ".join(name.split()))[:MAX_NAME].strip(), key if len(key) <= MAX_KEY else "")


def read_result(text: str) -> Result:
    """Return a result.

    Raises:
        BadResult: it is no such message; not as long as the weights; a number is not finite, or absurd.
    """
    message = _read(text, "result")
    try:
        content = base64.b64decode(_text(message, "gradient"), validate=True)
    except (binascii.Error, ValueError):
        raise BadResult("The gradient is not in base64.") from None
    if len(content) != 4 * NUM_WEIGHTS:
        raise BadResult(f"The gradient has {len(content)} bytes, not {4 * NUM_WEIGHTS}.")
    gradient = np.frombuffer(content, "<f4")
    if not (np.isfinite(gradient).all() and np.abs(gradient).max() <= MAX_NUMBER):
        raise BadResult(f"The gradient has a number that is not finite, or above {MAX_NUMBER:g}.")
    return Result(_text(message, "unit"), gradient, _number(message, "lossD"), _number(message, "lossG"))


def _read(text: str, kind: str) -> dict[str, Any]:
    if len(text) > MAX_CHARS:
        raise BadResult(f"The message has {len(text)} characters; at most {MAX_CHARS} are allowed.")
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        raise BadResult("The message is no JSON.") from None
    if not isinstance(message, dict) or message.get("type") != kind:
        raise BadResult(f"The message is not of the type {kind!r}, which is expected now.")
    return message


def _text(message: dict[str, Any], key: str) -> str:
    value = message.get(key, "")
    if not isinstance(value, str):
        raise BadResult(f"{key!r} is no text.")
    return value


def _number(message: dict[str, Any], key: str) -> float:
    value = message.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadResult(f"{key!r} is no number.")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not 0 <= number <= MAX_NUMBER:  # a NaN is not in any range
        raise BadResult(f"{key!r} is not between 0 and {MAX_NUMBER:g}.")
    return number
