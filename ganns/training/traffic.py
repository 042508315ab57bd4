"""The bytes that a worker transfers for a round, before there is one: `strategy=auto` chooses unit sizes by them."""

from __future__ import annotations

from typing import NamedTuple

import torch

from ganns.config import Config
from ganns.training.batchnorm import batchnorm_layers
from ganns.training.chain import CHAIN, next_link
from ganns.training.compression import get_codec
from ganns.training.networks import parameters_of
from ganns.training.parts import encode_part
from ganns.training.published import encode_weights
from ganns.training.serialization import pack
from ganns.training.state import TrainingState
from ganns.training.unit import Part


class Traffic(NamedTuple):
    """Bytes of a round with one unit for each worker."""

    up: int  # a unit's result
    down: int  # the weights of a version, for a worker that has those of the version before


def traffic_of(config: Config) -> Traffic:
    """Encode the initial weights as a result and as a version, and count.

    The number of bytes is that of the networks and the codec, whatever the numbers in the tensors are.

    Raises:
        PluginError: if the run's networks are a plug-in that is missing, or cannot be used.
    """
    state, codec = TrainingState(config), get_codec(config.codec.up)
    up = 0
    for role, network in state.networks.items():
        layers = batchnorm_layers(network).items()
        sums = {name: torch.zeros(2 * layer.num_features + 1, dtype=torch.float64) for name, layer in layers}
        up += len(pack(encode_part(Part(parameters_of(network), sums), codec, ("traffic", role))))
    weights = state.weights()
    is_chain = config.codec.down == CHAIN
    down = next_link(state.published, weights)[0].change if is_chain else encode_weights(weights, config.codec.down)
    return Traffic(up, len(pack(down)))
