"""The images of an evaluation, drawn in parts: the result is the same wherever a part is drawn.

Shapes: N images of a part, S their side, F features, Z latent_dim, A attributes.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from ganns.config import Config
from ganns.evaluation.features import features_of, to_bytes
from ganns.training.batchnorm import measure_statistics
from ganns.training.networks import make, parameters_of, sample, statistics_of
from ganns.training.seeds import generator as seeded
from ganns.training.serialization import pack, unpack

Tensors = dict[str, torch.Tensor]
PART_IMAGES = 64
"""Images of a part: few, so that a worker is soon free for the next round's units."""
LABELS = ".labels"
"""The name of the labels beside the generator's tensors; no tensor of a network can have it."""
NUM_COMPARED = 512
"""Number of images whose pixels are sent too, for the metrics that compare pixels; of the others only the features."""


def parts(num_images: int) -> list[tuple[int, int]]:
    """Return (start, count) of each part."""
    return [(start, min(PART_IMAGES, num_images - start)) for start in range(0, num_images, PART_IMAGES)]


def averaged_generator(
    config: Config, state: Mapping[str, torch.Tensor], labels: torch.Tensor | None = None
) -> Tensors:
    """Return the tensors of the averaged generator, as it draws samples, out of a whole state's.

    For a conditional generator, `labels` [num, A] of the held-out images go with it: each generated image gets the
    label of a real one, so that both sets have each combination of attributes equally often.
    """
    own = {name.removeprefix("g."): value for name, value in state.items() if name.startswith("g.")}
    own |= {name.removeprefix("ema."): value for name, value in state.items() if name.startswith("ema.")}
    network = build_generator(config, own)
    measure_statistics(network, config.model)
    own = parameters_of(network) | statistics_of(network)
    return own if labels is None else own | {LABELS: labels}


def build_generator(config: Config, tensors: Mapping[str, torch.Tensor]) -> nn.Module:
    """Return a generator with these tensors (BatchNorm's counter, which nothing reads, is not among them)."""
    network = make(config.model, "g")
    network.load_state_dict({name: value for name, value in tensors.items() if name != LABELS}, strict=False)
    return network


def draw(
    config: Config, network: nn.Module, start: int, count: int, labels: torch.Tensor | None = None
) -> torch.Tensor:
    """Draw images `start` to `start + count` of the run's evaluations, uint8 [N, 3, S, S].

    The noise depends on the run's seed and on `start` alone: each version draws from the same noise. A conditional
    network needs the held-out images' labels [num, A], the tensor LABELS of `averaged_generator`.
    """
    latent = torch.randn(count, config.model.latent_dim, generator=seeded(config.seed, "evaluation", start))
    device = next(network.parameters()).device
    if labels is not None:
        labels = labels[torch.arange(start, start + count) % len(labels)]  # there may be fewer real images
    return to_bytes(sample(network, latent.to(device), labels))


def extract(pixels: torch.Tensor, network: nn.Module, start: int) -> Tensors:
    """Return a part's "features" [N, F], and the "pixels" of the images among the first NUM_COMPARED."""
    found = {"features": features_of(network, pixels).cpu()}
    if (left := NUM_COMPARED - start) > 0:
        found["pixels"] = pixels[:left].cpu()
    return found


def encode(part: Tensors) -> bytes:
    """Return a part as bytes."""
    return bytes(pack(part))


def decode(data: bytes) -> Tensors:
    """Read what `encode` wrote.

    Raises:
        PayloadError: if the bytes are not a part.
    """
    return unpack(data)


def join(parts: list[Tensors]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (features [N, F], pixels uint8 [M, 3, S, S]) of all parts, in order."""
    return (
        torch.cat([one["features"] for one in parts]),
        torch.cat([one["pixels"] for one in parts if "pixels" in one]),
    )
