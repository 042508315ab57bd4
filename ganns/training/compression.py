"""Codecs: compress gradients for the upload. A run has one codec, for workers, coordinator and solo.

Only gradients are compressed. BatchNorm's sums and all other tensors stay exact.

`fp16` halves the upload. A gradient of 1e-6 is below fp16's normal range, so each tensor is first divided by
its largest magnitude, which is sent with it in fp32 (the idea of loss scaling in Micikevicius et al.,
"Mixed Precision Training", arXiv 1710.03740, applied per tensor).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch

from ganns.errors import ConfigError, PayloadError

Tensors = dict[str, torch.Tensor]
SCALE = ".scale"  # suffix of the tensor that holds a scaled tensor's largest magnitude


class Codec(NamedTuple):
    """A pair of pure functions; `decode(encode(x))` has the names, shapes and dtype (fp32) of `x`.

    `decode` makes no tensor with more numbers than the encoded one, also from damaged tensors.
    """

    encode: Callable[[Mapping[str, torch.Tensor]], Tensors]
    decode: Callable[[Mapping[str, torch.Tensor]], Tensors]


def _same(tensors: Mapping[str, torch.Tensor]) -> Tensors:
    return dict(tensors)


def _to_fp16(tensors: Mapping[str, torch.Tensor]) -> Tensors:
    encoded: Tensors = {}
    for name, tensor in tensors.items():
        scale = tensor.abs().amax().float().clamp_min(torch.finfo(torch.float32).tiny)
        encoded[name] = (tensor / scale).half()
        encoded[name + SCALE] = scale
    return encoded


def _from_fp16(tensors: Mapping[str, torch.Tensor]) -> Tensors:
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


CODECS = {"fp32": Codec(_same, _same), "fp16": Codec(_to_fp16, _from_fp16)}


def get_codec(name: str) -> Codec:
    """Return the codec called `name`.

    Raises:
        ConfigError: if there is no such codec.
    """
    try:
        return CODECS[name]
    except KeyError:
        raise ConfigError(f"codec.name is {name!r}; it can be {', '.join(sorted(CODECS))}.") from None
