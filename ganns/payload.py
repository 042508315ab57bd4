"""Named tensors to bytes and back: safetensors, with a SHA-256 digest.

Never pickle: unpickling runs code that the sender chose, and the sender may be any student. Safetensors is
a JSON header with names, dtypes and shapes, followed by the raw numbers; reading it can fail, but it cannot
run anything. https://huggingface.co/docs/safetensors
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from ganns.errors import PayloadError


def digest(data: bytes) -> str:
    """Return the SHA-256 of `data`, as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def pack(tensors: Mapping[str, torch.Tensor]) -> bytes:
    """Serialise named tensors, on the CPU and in standard (row-major) layout.

    A convolution's weights may live in channels_last order; `contiguous()` puts the same numbers back into
    the order that every reader expects.
    """
    return save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})


def unpack(data: bytes, expected_digest: str | None = None) -> dict[str, torch.Tensor]:
    """Read what `pack` wrote.

    Raises:
        PayloadError: if the bytes have another digest than `expected_digest`, or are not safetensors.
    """
    if expected_digest is not None and digest(data) != expected_digest:
        raise PayloadError(
            f"{len(data)} bytes arrived with digest {digest(data)[:12]}... where {expected_digest[:12]}... was "
            "announced: they were cut off or changed on the way; fetch them again."
        )
    try:
        return load(data)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise PayloadError(f"{len(data)} bytes are not a safetensors payload ({error}).") from error


def metadata(data: bytes) -> dict[str, str]:
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


def split(data: bytes, num_chunks: int) -> list[memoryview]:
    """Cut `data` into at most `num_chunks` pieces of nearly equal size (at least one piece)."""
    size = max(1, -(-len(data) // num_chunks))
    view = memoryview(data)
    return [view[start : start + size] for start in range(0, max(len(data), 1), size)]


def write_file(path: Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file, over whatever `path` holds.

    The library's own writer copies every tensor into bytes first and always makes a new file. This one writes the
    tensors' memory straight over the pages that an old file already has in the cache: several times faster, and
    the coordinator does it once a round while a class is waiting. (Hence not crash-safe by itself: rename after.)
    """
    layout: dict[str, object] = {"__metadata__": dict(metadata)}
    names = {torch.float32: "F32", torch.float64: "F64", torch.int64: "I64"}
    arrays, offset = [], 0
    for name, tensor in tensors.items():
        array = tensor.detach().cpu().contiguous().numpy()
        end = offset + array.nbytes
        layout[name] = {"dtype": names[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [offset, end]}
        arrays.append(array)
        offset = end
    header = json.dumps(layout).encode()
    header += b" " * (-len(header) % 8)  # the format asks for aligned tensors, and allows trailing spaces
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        _write_all(file.fileno(), memoryview(len(header).to_bytes(8, "little") + header))
        for array in arrays:
            _write_all(file.fileno(), array.reshape(-1).view("u1").data)
        file.truncate()


def _write_all(descriptor: int, data: memoryview) -> None:
    """Write all of `data`: one call of `write` may take less."""
    while data:
        data = data[os.write(descriptor, data) :]
