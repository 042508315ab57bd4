"""Codecs: how gradients become bytes for the upload. A run has one (`codec.up`), for workers, coordinator and solo.

| codec | bytes a number | how | error |
|---|---|---|---|
| `fp32` | 4 | as they are | none |
| `fp16` | 2 | half precision, each tensor divided by its largest magnitude | 0.0003 |
| `int8` | 1.01 | 8 bits for each number, blocks of 256 with a scale each (`quantization`) | 0.01 |
| `int4` | 0.53 | 4 bits, rounded at random, blocks of 64 | 0.15 |
| `rot2` | 0.25 | a random rotation, then 2 bits (`rotation`) | 0.37; of a mean less |

Only the weights' gradients are compressed. Vectors (biases, BatchNorm's scales) are few numbers and stay exact, except
with `fp16`; BatchNorm's sums always do.

A codec's random numbers are seeded by (run seed, round, unit, network): a second worker that computes the same unit
sends the same bytes. So no codec may keep what it rounded away for the next unit ("error feedback"): a result would
depend on who computed what before. docs/explain/compression.md compares the codecs, and says what was left out and why.

`fp16`: a gradient of 1e-6 is below fp16's normal range, so each tensor is first divided by
its largest magnitude, which is sent with it in fp32 (the idea of loss scaling in Micikevicius et al.,
"Mixed Precision Training", arXiv 1710.03740, applied per tensor).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

import numpy as np
import torch

from ganns.errors import ConfigError, PayloadError
from ganns.training.quantization import Int4, Int8
from ganns.training.rotation import Rot2
from ganns.training.seeds import derive

Tensors = dict[str, torch.Tensor]
Shapes = Mapping[str, tuple[int, ...]]
Seed = tuple[int | str, ...]
"""(run seed, round, unit, network)."""
SCALE = ".scale"  # suffix of the tensor that holds a scaled tensor's largest magnitude


class Codec(NamedTuple):
    """A pair of pure functions; `decode(encode(x, seed), shapes, seed)` has the names, shapes and dtype (fp32) of `x`.

    `decode` makes no tensor with more numbers than `shapes` or the encoded one has, also from damaged tensors.
    """

    encode: Callable[[Mapping[str, torch.Tensor], Seed], Tensors]
    decode: Callable[[Mapping[str, torch.Tensor], Shapes, Seed], Tensors]


def _same(tensors: Mapping[str, torch.Tensor], *_: object) -> Tensors:
    return dict(tensors)


def _to_fp16(tensors: Mapping[str, torch.Tensor], _: Seed) -> Tensors:
    encoded: Tensors = {}
    for name, tensor in tensors.items():
        scale = tensor.abs().amax().float().clamp_min(torch.finfo(torch.float32).tiny)
        encoded[name] = (tensor / scale).half()
        encoded[name + SCALE] = scale
    return encoded


def _from_fp16(tensors: Mapping[str, torch.Tensor], _: Shapes, __: Seed) -> Tensors:
    decoded: Tensors = {}
    for name, tensor in tensors.items():
        if name.endswith(SCALE):
            continue
        scale = tensors.get(name + SCALE)
        # Before the product: with a scale of shape [1000, 1, 1] it would need a thousand times the tensor's memory.
        if scale is None or scale.shape or scale.dtype != torch.float32 or tensor.dtype != torch.float16:
            found = "no scale" if scale is None else f"a scale of {scale.dtype} {tuple(scale.shape)!s:.100}"
            raise PayloadError(
                f"{name:.100} came as {tensor.dtype} with {found}; fp16 needs torch.float16 and one torch.float32."
            )
        decoded[name] = tensor.float() * scale
    return decoded


class Quantizer(Protocol):
    """Turns a flat tensor of N numbers into a few tensors, and back."""

    def layout(self, num: int) -> dict[str, tuple[torch.dtype, tuple[int, ...]]]:
        """Return dtype and shape of each encoded tensor, by the suffix of its name."""

    def encode(self, values: torch.Tensor, random: np.random.Philox) -> Tensors:
        """Encode float32 [N]."""

    def decode(self, encoded: Tensors, num: int, random: np.random.Philox) -> torch.Tensor:
        """Return float32 [N] from tensors that have the layout; `random` draws what it drew in `encode`."""


def quantized(quantizer: Quantizer) -> Codec:
    """Return the codec that encodes each tensor of two or more dimensions by `quantizer`, and leaves others alone."""

    def encode(tensors: Mapping[str, torch.Tensor], seed: Seed) -> Tensors:
        encoded: Tensors = {}
        for name, tensor in tensors.items():
            if tensor.dim() < 2:
                encoded[name] = tensor
                continue
            parts = quantizer.encode(tensor.detach().float().cpu().reshape(-1), _random(seed, name))
            encoded |= {name + suffix: value for suffix, value in parts.items()}
        return encoded

    def decode(tensors: Mapping[str, torch.Tensor], shapes: Shapes, seed: Seed) -> Tensors:
        _check(tensors, shapes, quantizer)
        decoded: Tensors = {}
        for name, shape in shapes.items():
            if len(shape) < 2:
                decoded[name] = tensors[name]
                continue
            num = math.prod(shape)
            parts = {suffix: tensors[name + suffix] for suffix in quantizer.layout(num)}
            decoded[name] = quantizer.decode(parts, num, _random(seed, name)).reshape(shape)
        return decoded

    return Codec(encode, decode)


def _check(tensors: Mapping[str, torch.Tensor], shapes: Shapes, quantizer: Quantizer) -> None:
    """Compare encoded tensors with what a network of these shapes has, before anything is decoded.

    Raises:
        PayloadError: if a tensor is missing, is one too many, or has another dtype or shape.
    """
    wanted: dict[str, tuple[torch.dtype, tuple[int, ...]]] = {}
    for name, shape in shapes.items():
        if len(shape) < 2:
            wanted[name] = (torch.float32, shape)
        else:
            wanted |= {name + suffix: one for suffix, one in quantizer.layout(math.prod(shape)).items()}
    found = {name: (tensor.dtype, tuple(tensor.shape)) for name, tensor in tensors.items()}
    if found != wanted:
        name = min(set(found.items()) ^ set(wanted.items()), key=str)[0]
        raise PayloadError(
            f"{name:.100} came as {found.get(name, 'nothing')!s:.100}; this run's codec and network need "
            f"{wanted.get(name, 'nothing')!s:.100}."
        )


def _random(seed: Seed, name: str) -> np.random.Philox:
    """Return the random bits of one tensor: Philox's are the same in every NumPy and on every machine (NEP 19)."""
    return np.random.Philox(key=derive(*seed, "codec", name))


CODECS = {
    "fp32": Codec(_same, _same),
    "fp16": Codec(_to_fp16, _from_fp16),
    "int8": quantized(Int8()),
    "int4": quantized(Int4()),
    "rot2": quantized(Rot2()),
}


def get_codec(name: str) -> Codec:
    """Return the codec called `name`.

    Raises:
        ConfigError: if there is no such codec.
    """
    try:
        return CODECS[name]
    except KeyError:
        raise ConfigError(f"codec.up is {name!r}; it can be {', '.join(CODECS)}.") from None
