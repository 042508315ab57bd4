"""Named tensors to bytes and back: safetensors, with a SHA-256 digest.

Never pickle: unpickling runs code that the sender chose, and the sender may be any student. Safetensors is
a JSON header with names, dtypes and shapes, followed by the raw numbers; reading it can fail, but it cannot
run anything. https://huggingface.co/docs/safetensors
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

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


def split(data: bytes, num_chunks: int) -> list[memoryview]:
    """Cut `data` into at most `num_chunks` pieces of nearly equal size (at least one piece)."""
    size = max(1, -(-len(data) // num_chunks))
    view = memoryview(data)
    return [view[start : start + size] for start in range(0, max(len(data), 1), size)]
