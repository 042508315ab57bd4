"""The weights that workers compute at: those of a version, through `codec.down`.

The coordinator keeps the exact weights x, and steps them. Workers fetch w, and compute at w; `ganns solo` does so, too.

With `int8`, w is the decoded form of the encoded x, a function of x and of nothing else: a new worker needs one fetch,
and after a crash the same bytes are published again. Nothing is lost either: what the rounding took from w is still in
x, and a later version has it as soon as it is larger than half a step.

With `chain`, w follows x by small changes, and is a part of the state (`chain`). Here it is already made, and is
published as it is.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from ganns.training.chain import CHAIN, in_order
from ganns.training.compression import Codec, Shapes, get_codec

Tensors = dict[str, torch.Tensor]
SEED = ("weights",)
"""No codec for weights draws anything at random: all versions have one seed."""


def _codec(name: str) -> Codec:
    return get_codec("fp32" if name == CHAIN else name)


def encode_weights(weights: Mapping[str, torch.Tensor], codec: str) -> Tensors:
    """Return the tensors to publish for the weights of a version; `codec` is the run's `codec.down`."""
    return _codec(codec).encode(in_order(weights) if codec == CHAIN else weights, SEED)


def decode_weights(tensors: Mapping[str, torch.Tensor], codec: str, shapes: Shapes) -> Tensors:
    """Return the weights to compute at, by "g.<parameter>" and "d.<parameter>".

    Raises:
        PayloadError: if the tensors are not those of networks of these `shapes`.
    """
    return _codec(codec).decode(tensors, shapes, SEED)


def as_published(weights: Mapping[str, torch.Tensor], codec: str) -> Tensors:
    """Return the weights as workers get them; `weights` are a state's `weights_of` a version."""
    shapes = {name: tuple(value.shape) for name, value in weights.items()}
    return decode_weights(encode_weights(weights, codec), codec, shapes)
