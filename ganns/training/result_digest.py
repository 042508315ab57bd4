"""Describe a result in a few bytes, to compare it with another one when the result itself was deleted long ago.

The ledger keeps two things of each accepted result:

- The *digest* is the SHA-256 of the tensors as they were uploaded. Two results have the same digest only if they are
  equal bit for bit. (XXH3, which finds damaged transfers, is not enough here: a liar could look for a wrong result that
  has the digest of the right one.)
- The *sketch* has 64 numbers for each network. Number i of the gradient is added, with a random sign, to the entry
  i modulo 64. On average, the squared distance between two sketches is the one between the two gradients (Alon, Matias
  and Szegedy, "The space complexity of approximating the frequency moments", 1996). For a difference that is spread
  over many numbers it is off by a factor of sqrt(2 / 64), so the distance is off by about 9 %.

Everyone knows the signs, and could make a wrong gradient with the right sketch. So the sketch only says how far two
results of unlike machines are apart; between machines of one kind the digest decides.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch

from ganns.training.compression import Codec, Seed
from ganns.training.parts import decode_part, encode_part
from ganns.training.seeds import derive
from ganns.training.unit import Part, Tensors, UnitResult

WIDTH = 64
"""Entries of one network's sketch."""
ROLES = ("d", "g")
TINY = 1e-30  # divides in place of the norm of a gradient that is zero


class ResultDigest(NamedTuple):
    """The digest and the sketch of one network's part, or of a whole result."""

    digest: str  # 64 hexadecimal digits
    sketch: bytes  # float32 [64] of a part; [128] of a result, D's first


def part_digest(encoded: Mapping[str, torch.Tensor], part: Part) -> ResultDigest:
    """Return the digest of a part.

    Args:
        encoded: the tensors as they are uploaded, of any dtype; their order does not matter.
        part: the same, decoded.
    """
    hashed = hashlib.sha256()
    for name, tensor in sorted(encoded.items()):
        hashed.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        hashed.update(tensor.detach().cpu().contiguous().numpy().reshape(-1).view("u1").data)
    return ResultDigest(hashed.hexdigest(), _sketch(part.gradients).numpy().tobytes())


def joined(parts: Mapping[str, ResultDigest]) -> ResultDigest:
    """Return the digest of a result from those of its two parts."""
    text = " ".join(parts[role].digest for role in ROLES)
    return ResultDigest(hashlib.sha256(text.encode()).hexdigest(), b"".join(parts[role].sketch for role in ROLES))


def result_digest(result: UnitResult, codec: Codec, seed: Seed) -> ResultDigest:
    """Return the digest that a computed result has when it arrives; `seed` is (run seed, round, unit)."""
    found = {}
    for role, part in result.parts.items():
        encoded = encode_part(part, codec, (*seed, role))
        shapes = {name: tuple(gradient.shape) for name, gradient in part.gradients.items()}
        found[role] = part_digest(encoded, decode_part(encoded, codec, shapes, (*seed, role)))
    return joined(found)


def sketched_distance(theirs: bytes, mine: bytes) -> float:
    """Return the estimate of |theirs - mine| / |mine|, by two results' sketches; the larger one of D's and G's."""
    a, b = (np.frombuffer(one, np.float32).astype(np.float64).reshape(len(ROLES), WIDTH) for one in (theirs, mine))
    norms = np.maximum(np.linalg.norm(b, axis=1), TINY)
    return float((np.linalg.norm(a - b, axis=1) / norms).max())


def _sketch(gradients: Tensors) -> torch.Tensor:
    """Return the sketch of a network's gradient, float32 [64]."""
    flat = torch.cat([gradients[name].detach().cpu().reshape(-1) for name in sorted(gradients)])
    flat *= torch.from_numpy(_signs(len(flat)))
    flat = torch.nn.functional.pad(flat, (0, -len(flat) % WIDTH))
    return flat.view(-1, WIDTH).sum(dim=0)


@functools.lru_cache(maxsize=4)
def _signs(num: int) -> np.ndarray:
    """Return `num` random signs, int8 [num]: the same ones on every machine."""
    words = np.random.Philox(key=derive("sketch")).random_raw(-(-num // 64)).astype("<u8")
    return np.unpackbits(words.view(np.uint8))[:num].astype(np.int8) * 2 - 1
