"""Encode, decode and check a part: one network's half of a unit's result, as it is uploaded."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch

from ganns.errors import BadResult, ImplausibleResult
from ganns.training.batchnorm import batchnorm_layers
from ganns.training.compression import Codec, Seed, Shapes
from ganns.training.unit import Part, UnitResult

Tensors = dict[str, torch.Tensor]
GRADIENT, SUMS = "gradient.", "sums."  # prefixes of the names of an encoded part's tensors
HEADER, ENTRY = 1 << 16, 1 << 9
"""Bytes for the names and shapes of an encoded part: in all, and for each tensor beside its name."""
ENTRIES = 3
"""Tensors that a codec makes of one, at most."""


def encode_part(part: Part, codec: Codec, seed: Seed) -> Tensors:
    """Return the tensors to upload: gradients through the codec, sums unchanged.

    Args:
        part: of one network.
        codec: the run's.
        seed: (run seed, round, unit, network), which no other part has.
    """
    encoded = codec.encode({GRADIENT + name: gradient for name, gradient in part.gradients.items()}, seed)
    return encoded | {SUMS + name: sums for name, sums in part.sums.items()}


def shapes_of(network: torch.nn.Module) -> Shapes:
    """Return the shape of each of a network's gradients."""
    return {name: tuple(parameter.shape) for name, parameter in network.named_parameters()}


def decode_part(tensors: Mapping[str, torch.Tensor], codec: Codec, shapes: Shapes, seed: Seed) -> Part:
    """Return the part that `encode_part` encoded with the same seed (`check_part` checks its contents).

    Raises:
        PayloadError: if the tensors are not those that this codec makes of gradients of these `shapes`.
    """
    encoded = {name: value for name, value in tensors.items() if name.startswith(GRADIENT)}
    gradients = codec.decode(encoded, {GRADIENT + name: shape for name, shape in shapes.items()}, seed)
    return Part(
        {name.removeprefix(GRADIENT): value for name, value in gradients.items()},
        {name.removeprefix(SUMS): value for name, value in tensors.items() if name.startswith(SUMS)},
    )


def check_part(part: Part, like: torch.nn.Module, max_norm: float | None) -> float:
    """Check a part against its network, and return the norm of its gradient.

    Raises:
        BadResult: for a missing, extra or misshapen tensor.
        ImplausibleResult: for a number that is not finite, or a norm above `max_norm`.
    """
    shapes = shapes_of(like)
    found = {name: tuple(gradient.shape) for name, gradient in part.gradients.items()}
    if found != shapes:
        name = min(set(found.items()) ^ set(shapes.items()))[0]
        shape = str(found.get(name, "none"))
        raise BadResult(f"The gradient of {name:.100} has shape {shape:.100}, expected {shapes.get(name, 'none')}.")
    if wrong := [name for name, gradient in part.gradients.items() if gradient.dtype != torch.float32]:
        raise BadResult(f"The gradient of {wrong[0]} is {part.gradients[wrong[0]].dtype}, expected torch.float32.")
    layers = batchnorm_layers(like)
    expected = {name: (torch.float64, (2 * layer.num_features + 1,)) for name, layer in layers.items()}
    if {name: (sums.dtype, tuple(sums.shape)) for name, sums in part.sums.items()} != expected:
        names = ", ".join(sorted(part.sums))
        raise BadResult(f"The BatchNorm sums ({names:.200}) do not fit the network's layers {sorted(layers)}.")
    norms = torch._foreach_norm(list(part.gradients.values()))
    norm = float(torch.stack(norms).norm())
    if not math.isfinite(norm) or not all(bool(s.isfinite().all()) for s in part.sums.values()):
        raise ImplausibleResult("The result has a number that is not finite (NaN or infinity).")
    if max_norm is not None and norm > max_norm:
        raise ImplausibleResult(f"The gradient's norm is {norm:.3g}, above aggregate.max_norm={max_norm:g}.")
    return norm


def largest_part_bytes(like: torch.nn.Module) -> int:
    """Return the bytes that a network's encoded part needs at most: fp32 is the longest coding."""
    layers = batchnorm_layers(like)
    sums = sum(2 * layer.num_features + 1 for layer in layers.values())
    names = [*layers, *(name for name, _ in like.named_parameters())]
    header = HEADER + sum(ENTRY + ENTRIES * len(name) for name in names)
    return 4 * sum(parameter.numel() for parameter in like.parameters()) + 8 * sums + header


def through_codec(result: UnitResult, codec: Codec, seed: Seed) -> UnitResult:
    """Return the result as the coordinator receives it, with the codec's rounding; `ganns solo` uses it.

    `seed` is (run seed, round, unit).
    """
    parts = {}
    for role, part in result.parts.items():
        shapes = {name: tuple(gradient.shape) for name, gradient in part.gradients.items()}
        parts[role] = decode_part(encode_part(part, codec, (*seed, role)), codec, shapes, (*seed, role))
    return UnitResult(result.num_images, parts, result.metrics)
