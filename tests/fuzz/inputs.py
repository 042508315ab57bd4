"""Random texts, JSON, tensors and damaged bytes."""

from __future__ import annotations

import json
import math
from typing import Any

import torch
from hypothesis import strategies as st

from ganns.config import to_dict
from ganns.training.serialization import pack
from tests.support.fakes import tiny

ODD = ["\x1b[2J", "\u202e", "\x00", "\ud800", "%", "@", "/", ":", "[", "${", "'", '"', "\n", "1e5000", "nan", "=", ","]
texts = st.one_of(st.text(max_size=40), st.lists(st.sampled_from(ODD) | st.text(max_size=5), max_size=12).map("".join))
numbers = st.one_of(
    st.integers(), st.floats(), st.sampled_from([10**400, -(10**400), 1e308, 2**63, 0, -1, 1, True, float("nan")])
)
scalars = st.none() | st.booleans() | numbers | texts
values: st.SearchStrategy[Any] = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=12
)
json_texts = st.one_of(
    values.map(lambda value: json.dumps(value, default=str)),
    texts,
    st.integers(1, 8000).map(lambda depth: "[" * depth + "]" * depth),
    st.integers(1, 8000).map(lambda digits: '{"run": ' + "9" * digits + "}"),
    st.integers(-400, 5000).map(lambda power: f'{{"threads": 1e{power}}}'),
)


@st.composite
def changed(draw: st.DrawFn, start: dict[str, Any]) -> dict[str, Any]:
    """Draw a copy of nested dictionaries in which some values, groups or keys are others."""
    found: dict[str, Any] = {}
    for key, value in start.items():
        what = draw(st.integers(0, 9))
        if what == 0:
            continue
        if what == 1:
            found[draw(texts | st.just(key))] = draw(values)
        elif what == 2:
            found[key] = draw(scalars)
        else:
            found[key] = draw(changed(value)) if isinstance(value, dict) else value
    return found


class Data(bytes):
    """Bytes that a failing test prints in a few words."""

    def __repr__(self) -> str:
        return f"<{len(self)} bytes>"


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """Draw bytes that were cut off, changed, lengthened or replaced."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(0, 6))):
        what, at = draw(st.integers(0, 3)), draw(st.integers(0, max(0, min(len(data), 4000) - 1)))
        if what == 0:
            del data[at:]
        elif what == 1 and data:
            data[at] = draw(st.integers(0, 255))
        elif what == 2:
            data[at:at] = draw(st.binary(max_size=20))
        elif data:
            data[at : at + 8] = draw(st.integers(0, 2**64 - 1)).to_bytes(8, "little")
    return Data(data) if draw(st.booleans()) else Data(draw(st.binary(max_size=200)) or data)


DTYPES = [torch.float32, torch.float16, torch.float64, torch.int64, torch.uint8]
shapes = st.lists(st.integers(0, 5) | st.just(64), max_size=5).filter(lambda shape: math.prod(shape) <= 1 << 16)


@st.composite
def tensors(draw: st.DrawFn, like: dict[str, torch.Tensor]) -> bytes:
    """Draw a payload with about these tensors: some are missing, have another shape or dtype, or odd numbers."""
    found = dict(like)
    for name in draw(st.lists(st.sampled_from(sorted(like)), max_size=4)):
        what = draw(st.integers(0, 3))
        if what == 0:
            found.pop(name, None)
        elif what == 1:
            found[name] = torch.ones(draw(shapes), dtype=draw(st.sampled_from(DTYPES)))
        elif what == 2:
            found[name] = torch.full_like(like[name], draw(st.sampled_from([0, 1, 3e4]))).to(
                draw(st.sampled_from(DTYPES))
            )
        else:
            found[draw(texts.filter(lambda text: text.isprintable()))] = like[name]
    return draw(damaged(bytes(pack(found)))) if draw(st.integers(0, 4)) == 0 else Data(pack(found))


configs = changed(to_dict(tiny()))
KEYS = [
    *(
        "seed",
        "optimizer.lr_g",
        "loss",
        "data.count",
        "quorum.units",
        "stop.rounds",
        "model",
        "resume",
        "nope",
        "a.b.c",
    ),
]
words = st.one_of(
    st.builds(lambda key, value: f"{key}={value}", st.sampled_from(KEYS) | texts, texts | numbers.map(str)),
    st.builds(
        "{}={}({},{})".format,
        st.sampled_from(KEYS),
        st.sampled_from(["interval", "choice", "range"]),
        numbers,
        numbers,
    ),
    texts,
)
urls = st.builds(
    lambda *parts: "".join(parts),
    st.sampled_from(["postgresql://", "postgres://", "", "host=", "http://"]),
    texts,
    st.sampled_from(["@", ":", "/", "", "@@", "?", " password="]),
    texts,
    st.sampled_from([":5432/ganns", "", "/x?sslmode=", ":x", " port="]),
    texts,
)
