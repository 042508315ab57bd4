"""From the bytes of an image file to an upright, opaque picture of 8 bits for each colour, and to its square."""

from __future__ import annotations

import io
import os

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ganns.errors import DataError

BACKGROUND = (255, 255, 255)
"""The colour behind transparent pixels: white, as on a page."""
MAX_PIXELS = 150_000_000
"""A larger image is refused, unless GANNS_MAX_PIXELS allows it: it would take a gigabyte of memory or more."""

Image.MAX_IMAGE_PIXELS = None  # Pillow's own limit ends a program with a traceback; we have ours, with a sentence


def decode(data: bytes, name: str) -> Image.Image:
    """Return the RGB image of a file's bytes; `name` is for messages.

    - A turned photo: cameras save the image as the sensor lies, and a note how to turn it (EXIF). We turn it.
    - 16 bits of grey become 8 by their range, 65,535 is white. (Pillow's own conversion cuts at 255.)
    - Transparent pixels keep a colour that is not seen. They are laid over `BACKGROUND`.

    Raises:
        DataError: if the bytes are no image, are damaged, or have too many pixels.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            _check_size(image, name)
            return _opaque(ImageOps.exif_transpose(image))
    except DataError:
        raise
    except Exception as error:  # a damaged file makes a decoder raise almost anything: SyntaxError, struct.error, ...
        unknown = "its format is not known" if data else "it is empty"
        reason = unknown if isinstance(error, UnidentifiedImageError) else str(error)
        raise DataError(f"{name} is not an image that can be read ({reason}); remove it, or get it again.") from error


def max_pixels() -> int:
    """Return the largest number of pixels of one image.

    Raises:
        DataError: if GANNS_MAX_PIXELS is no number.
    """
    text = os.environ.get("GANNS_MAX_PIXELS", str(MAX_PIXELS))
    if not text.isdecimal():
        raise DataError(f"GANNS_MAX_PIXELS={text} is not a number of pixels, like {MAX_PIXELS}.")
    return int(text)


def _check_size(image: Image.Image, name: str) -> None:
    if image.width * image.height > max_pixels():
        raise DataError(
            f"{name} has {image.width:,} x {image.height:,} pixels, and an image may have {max_pixels():,}: make it "
            f"smaller, or set GANNS_MAX_PIXELS={image.width * image.height} in the environment of every machine."
        )


def _opaque(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # "I;16" and, from older versions of Pillow, "I": a grey PNG of 16 bits
        grey = np.asarray(image).astype(np.float64) / 257  # 65,535 / 257 = 255
        return Image.fromarray(np.clip(grey.round(), 0, 255).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, (*BACKGROUND, 255)), layer).convert("RGB")
    return image.convert("RGB")


def prepare(image: Image.Image, size: int) -> np.ndarray:
    """Crop the centre square and resize it: RGB image -> uint8 [3, size, size]."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = image.crop((left, top, left + side, top + side))
    resized = square.resize((size, size), Image.Resampling.BILINEAR)  # Pillow's is antialiased when it shrinks
    return np.asarray(resized, dtype=np.uint8).transpose(2, 0, 1)
