"""Convert named tensors to bytes and back: safetensors, with a digest.

Never pickle: unpickling runs code that the sender chose, and the sender may be any student. Safetensors is
a JSON header with names, dtypes and shapes, followed by the raw numbers; reading it can fail, but it cannot
run anything. https://huggingface.co/docs/safetensors
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import torch
import xxhash
from safetensors import SafetensorError
from safetensors.torch import load

from ganns.errors import PayloadError

CHUNK_BYTES = 1 << 20
"""Size of the pieces in which blobs are sent. The copies of the driver, the kernel and the server then fit into the
processor's caches, and no process needs buffers for a whole model: several times less work than in one piece."""
HEADER_BYTES = 1 << 20
"""The longest header that is read. A header of the whole size of a part could name a million empty tensors."""


def digest(data: bytes | bytearray | memoryview) -> str:
    """Return the XXH3-128 of `data`, as 32 hexadecimal digits.

    It finds bytes that were cut off or changed on the way, ten times faster than SHA-256 (every byte of a round is
    hashed when it is sent and when it arrives). It is not a signature: an attacker can change
    both the data and the digest.
    """
    return xxhash.xxh3_128_hexdigest(data)


def pack(tensors: Mapping[str, torch.Tensor]) -> bytearray:
    """Serialise named tensors in standard (row-major) layout.

    The library's own writer copies every tensor twice; here each is copied once, directly into its place. The
    copy also brings tensors in channels_last order, or on a GPU, into the order that readers expect.
    """
    header, places, size = _layout(tensors, {})
    buffer = bytearray(len(header) + size)
    buffer[: len(header)] = header
    for tensor, start in places:
        if tensor.numel():
            place = torch.frombuffer(buffer, dtype=tensor.dtype, count=tensor.numel(), offset=len(header) + start)
            place.view(tensor.shape).copy_(tensor)
    return buffer


def unpack(data: bytes | bytearray, expected_digest: str | None = None) -> dict[str, torch.Tensor]:
    """Return the tensors that `pack` wrote.

    Raises:
        PayloadError: if the bytes have another digest than `expected_digest`, or are not safetensors, or the header
            is longer than `HEADER_BYTES`.
    """
    if expected_digest is not None and digest(data) != expected_digest:
        raise PayloadError(
            f"{len(data)} bytes arrived with digest {digest(data)[:12]}... where {expected_digest[:12]}... was "
            "announced: they were cut off or changed on the way; fetch them again."
        )
    if (size := int.from_bytes(data[:8], "little")) > HEADER_BYTES:
        raise PayloadError(f"{len(data)} bytes announce a header of {size} bytes; at most {HEADER_BYTES} are read.")
    try:
        return load(bytes(data))
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise PayloadError(f"{len(data)} bytes are not a safetensors payload ({error!s:.200}).") from error


def metadata(data: bytes | bytearray) -> dict[str, str]:
    """Return the metadata in a payload's header (empty if it has none).

    Raises:
        PayloadError: if the bytes are not safetensors.
    """
    try:
        size = int.from_bytes(data[:8], "little")
        found = json.loads(data[8 : 8 + size])["__metadata__"]
        return {str(key): str(value) for key, value in found.items()}
    except KeyError:
        return {}
    except (ValueError, TypeError, AttributeError) as error:
        raise PayloadError(f"{len(data)} bytes have no safetensors header ({error}).") from error


def split(data: bytes | bytearray, size: int = CHUNK_BYTES) -> list[memoryview]:
    """Cut `data` into pieces of `size` bytes, the last one shorter (at least one piece)."""
    view = memoryview(data)
    return [view[start : start + size] for start in range(0, max(len(data), 1), size)]


_NAMES = {torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.int64: "I64", torch.uint8: "U8"}


def _layout(
    tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]
) -> tuple[bytes, list[tuple[torch.Tensor, int]], int]:
    """Plan a safetensors file.

    Returns:
        The header, its length included; the tensors in file order, each with its offset behind the header; and
        the bytes behind the header. Wider numbers come first, so that every tensor is aligned.
    """
    entries: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    places, end = [], 0
    for name, tensor in sorted(tensors.items(), key=lambda item: -item[1].element_size()):
        start, end = end, end + tensor.numel() * tensor.element_size()
        entries[name] = {"dtype": _NAMES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [start, end]}
        places.append((tensor.detach(), start))
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the format allows trailing spaces
    return len(text).to_bytes(8, "little") + text, places, end


def write_file(path: Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> str:
    """Write a safetensors file over the content of `path`, and return its digest.

    The library's own writer copies every tensor into bytes first and always makes a new file. This one writes the
    tensors' memory directly over the pages that an old file already has in the cache, which is several times faster;
    the coordinator does it once a round while a class waits. (It is not crash-safe by itself: rename the file after.)
    """
    header, places, _ = _layout(tensors, metadata)
    hashed = xxhash.xxh3_128()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        blocks = (tensor.cpu().contiguous().numpy().reshape(-1).view("u1").data for tensor, _ in places)
        for block in (memoryview(header), *blocks):
            hashed.update(block)
            _write_all(file.fileno(), block)
        file.truncate()
    return hashed.hexdigest()


def _write_all(descriptor: int, data: memoryview) -> None:
    """Write all of `data`: one call of `write` may write only a part."""
    while data:
        data = data[os.write(descriptor, data) :]
