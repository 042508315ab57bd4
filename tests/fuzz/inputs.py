"""Random texts, JSON, tensors and damaged bytes."""

from __future__ import annotations

import io
import json
import math
import warnings
import zipfile
from functools import cache
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from PIL import Image

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
hints = st.builds(
    lambda kind, number: json.dumps({"type": kind, "job_id": number}, default=str), scalars, numbers | values
)
"""Like procrastinate's notifications."""


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
            value = draw(st.sampled_from([0.0, 1.0, 3e4]))  # the last is none of uint8's
            found[name] = torch.full(like[name].shape, value, dtype=torch.float64).to(draw(st.sampled_from(DTYPES)))
        else:
            found[draw(texts.filter(lambda text: text.isprintable()))] = like[name]
    return draw(damaged(bytes(pack(found)))) if draw(st.integers(0, 4)) == 0 else Data(pack(found))


@cache
def pictures() -> list[bytes]:
    """Return whole image files: each format and mode that people have, turned and animated ones too."""
    noise = Image.fromarray(np.random.RandomState(1).randint(0, 256, (16, 12, 3)).astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    kinds: list[tuple[Image.Image, str, dict[str, Any]]] = [
        *((noise, form, {}) for form in ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")),
        *((noise.convert(mode), "PNG", {}) for mode in ("1", "L", "LA", "P", "RGBA")),
        (Image.fromarray(np.arange(192, dtype=np.uint16).reshape(16, 12) * 300), "PNG", {}),
        (noise.convert("CMYK"), "JPEG", {}),
        (noise.convert("P"), "PNG", {"transparency": 3}),
        (noise, "JPEG", {"exif": exif}),
        (noise, "GIF", {"save_all": True, "append_images": [noise.rotate(90)]}),
    ]
    found = []
    for image, form, options in kinds:
        file = io.BytesIO()
        image.save(file, form, **options)
        found.append(file.getvalue())
    return found


image_files = st.deferred(lambda: st.sampled_from(pictures()).flatmap(damaged))


@st.composite
def zips(draw: st.DrawFn) -> bytes:
    """Draw a zip of images and other files, whose names may be anything; it may be damaged, too."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))) as archive:
        for name in draw(st.lists(names, max_size=4, unique=True)):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # zipfile cuts a name at a zero byte: two may then be the same
                archive.writestr(RawName(name), draw(image_files | st.binary(max_size=9)))
    return draw(damaged(file.getvalue())) if draw(st.booleans()) else Data(file.getvalue())


names = st.builds(
    "{}{}".format,
    st.sampled_from(["", "a/", "..\\", "/", "__MACOSX/._", ".x/", "\x00"]) | st.text(max_size=6),
    st.sampled_from(["1.png", "1.JPG", "2.png", "a.txt", ".png", "/"]),
)


class RawName(zipfile.ZipInfo):
    """A member whose name stands in the zip as bytes, as programs of other systems write it."""

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:
        return self.filename.encode("utf-8", "replace"), 0


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
