"""Checks of a generator and a discriminator.

Shapes: N images of a unit, S image_size, C channels of a BatchNorm layer.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from ganns.config import Config, GradientStrategy, ModelConfig, QuorumConfig, StopConfig
from ganns.data import ImageSet
from ganns.data.attributes import Attributes
from ganns.data.sources.source import Origin
from ganns.training.aggregation import build_totals
from ganns.training.batchnorm import batchnorm_layers
from ganns.training.bounds import measure
from ganns.training.compression import get_codec
from ganns.training.gradient import GradientUnit
from ganns.training.networks import NETWORKS, ROLES, Networks, build, parameters_of
from ganns.training.parts import decode_part, encode_part, shapes_of
from ganns.training.plan import plan_round
from ganns.training.probe import checks
from ganns.training.seeds import permutation
from ganns.training.serialization import digest, pack, unpack
from ganns.training.solo import train_solo
from ganns.training.state import Progress, TrainingState
from ganns.training.unit import UnitResult
from ganns.utils.checks import OK, Finding, note, run

UNIT, UNITS, ROUNDS = 8, 2, 2
"""Images of a unit, units of a round, and rounds of the trial runs."""


def check_networks(networks: type[Networks], config: ModelConfig | None = None) -> list[Finding]:
    """Try networks on two images, then in units and rounds of a small run.

    `config` has the run's `model.*`; the default is small, and not conditional.
    """
    settings = config or ModelConfig(image_size=32, latent_dim=8, features_g=4, features_d=4)
    with _named(networks, settings) as model:
        findings = run(checks(model))
        if any(one.state != OK for one in findings):
            return findings  # the others need networks that work
        findings += run(_of_runs(model))
        for role, network in zip(ROLES, build(model, 0), strict=True):
            count = sum(tensor.numel() for tensor in parameters_of(network).values())
            layers = len(batchnorm_layers(network)) or "no"
            findings.append(note(ROLES[role], f"{count:,} parameters, {layers} BatchNorm layers"))
        return findings


@contextmanager
def _named(networks: type[Networks], config: ModelConfig) -> Iterator[ModelConfig]:
    """Let the program find the class by a name of its own, as if it were installed."""
    name = f"the checked {networks.__name__}"
    NETWORKS[name] = networks
    try:
        yield dataclasses.replace(config, name=name)
    finally:
        del NETWORKS[name]


def _of_runs(model: ModelConfig) -> list[tuple[str, Callable[[], str | None]]]:
    strategy = GradientStrategy(unit_images=UNIT, micro_batch=UNIT // 2)
    config = Config(model=model, strategy=strategy, quorum=QuorumConfig(units=UNITS), stop=StopConfig(rounds=ROUNDS))
    images = _images(model)

    def seeds() -> str | None:
        for number, role in enumerate(ROLES):
            one, again, other = (parameters_of(build(model, seed)[number]) for seed in (1, 1, 2))
            if any(not torch.equal(one[name], again[name]) for name in one):
                return f"two {ROLES[role]}s of one seed have different weights"
            if all(torch.equal(one[name], other[name]) for name in one):
                return f"another seed gives a {ROLES[role]} with the same weights"
        return None

    def sums() -> str | None:
        computer = _computer(config, TrainingState(config))
        wanted: dict[tuple[str, str], torch.Tensor] = {}
        for role, network in computer.networks.items():
            for name, layer in batchnorm_layers(network).items():
                layer.register_forward_pre_hook(_adding(wanted, (role, name)))
        result = _compute(config, computer, images, 0, np.arange(UNIT))
        for role, part in result.parts.items():
            measure(part, role, computer.networks[role], config, UNIT)  # raises for a wrong count
            for name, found in part.sums.items():
                if not torch.allclose(found, wanted[role, name], rtol=1e-3, atol=1e-3):
                    return f"those of the {ROLES[role]}'s {name} are not the sums of its inputs"
        return None

    def digests() -> str | None:
        parts = []
        for _ in range(2):
            computer = _computer(config, TrainingState(config))
            result = _compute(config, computer, images, 0, np.arange(UNIT))
            parts.append({role: digest(_packed(result, role)) for role in ROLES})
        different = [ROLES[role] for role in ROLES if parts[0][role] != parts[1][role]]
        return f"computed twice, the {different[0]}'s part differs" if different else None

    def together() -> str | None:
        alone = TrainingState(config)
        list(train_solo(config, images, alone))
        found = _in_class(config, images)
        return None if found == alone.weights_digest() else "the weights of a class are not those of `ganns solo`"

    return [
        ("the weights come from the run's seed", seeds),
        ("BatchNorm's sums are those of its inputs", sums),
        ("a unit has the same digest whenever it is computed", digests),
        ("`ganns solo` and a class of units have equal weights, bit for bit", together),
    ]


def _images(model: ModelConfig) -> ImageSet:
    """Return images of noise; each attribute is there in half of them."""
    num, size = UNIT * UNITS, model.image_size
    rng = np.random.RandomState(0)
    pixels = rng.randint(0, 256, (num, 3, size, size)).astype(np.uint8)
    values = rng.randint(0, 2, (num, len(model.labels))).astype(np.uint8)
    images = ImageSet(pixels, Origin("noise", num, "noise", ""), lambda: Attributes(model.labels, values))
    return images.labelled(model.labels) if model.conditional else images


def _computer(config: Config, state: TrainingState) -> GradientUnit:
    """Return a new computer with a version's weights, which went through bytes as they do on their way to a worker."""
    computer = GradientUnit(config)
    computer.load(unpack(pack(state.weights())))
    return computer


def _compute(config: Config, computer: GradientUnit, images: ImageSet, unit: int, chosen: np.ndarray) -> UnitResult:
    result = computer.compute(images.train(chosen), (config.seed, 0, unit), labels=images.labels(chosen))
    assert result is not None
    return result


def _in_class(config: Config, images: ImageSet) -> str:
    """Train as a class does, each unit on a machine of its own and the last one first; return the weights' digest."""
    state, codec = TrainingState(config), get_codec(config.codec.up)
    for number in range(ROUNDS):
        slices, cursor = plan_round(
            state.progress.cursor, UNITS, num_images=images.num_train, unit_images=UNIT, epochs=None
        )
        results: dict[int, UnitResult] = {}
        for unit, (epoch, start, count) in reversed(list(enumerate(slices))):
            chosen = permutation(config.seed, epoch, images.num_train)[start : start + count]
            found = _computer(config, state).compute(
                images.train(chosen), (config.seed, number, unit), labels=images.labels(chosen)
            )
            assert found is not None
            results[unit] = found
        totals = build_totals(config.aggregate)
        for unit, one in enumerate(slices):
            for role in results[unit].parts:
                network, seed = state.networks[role], (config.seed, number, unit, role)
                encoded = pack(encode_part(results[unit].parts[role], codec, seed))
                part = decode_part(unpack(encoded), codec, shapes_of(network), seed)
                measure(part, role, network, config, one.num_images)
                totals[role].add(part, one.num_images)
        seen = state.progress.images + sum(one.num_images for one in slices)
        state.advance(totals, Progress(0, seen, 0.0, cursor))
    return state.weights_digest()


def _packed(result: UnitResult, role: str) -> bytearray:
    return pack(encode_part(result.parts[role], get_codec("fp32"), ()))


def _adding(wanted: dict[tuple[str, str], torch.Tensor], key: tuple[str, str]) -> Callable[..., None]:
    """Return a hook that adds the sums of a layer's inputs, float64 [2C + 1]."""

    def add(layer: Any, inputs: tuple[torch.Tensor, ...]) -> None:
        values = inputs[0].detach().double().movedim(1, 0).flatten(1)  # [C, N * height * width]
        count = torch.tensor([values.shape[1]], dtype=torch.float64)
        found = torch.cat([values.sum(1), values.square().sum(1), count])
        wanted[key] = wanted[key] + found if key in wanted else found

    return add
