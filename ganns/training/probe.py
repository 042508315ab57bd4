"""Try a run's networks once: refuse those that break a unit's promises, and count the values that BatchNorm is over.

The networks of another package can do anything that PyTorch can. Some of it would make a unit depend on more than its
version, images and seed: a buffer that remembers earlier passes, dropout, noise of its own. Then two machines would
compute different results, and nobody could tell which is right. So the first use of such networks tries them on two
images, and refuses them by name.

Shapes: N images of a batch, Z latent_dim, S image_size, A attributes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import nn

from ganns.config import NAMES, ModelConfig
from ganns.errors import GannsError, PluginError
from ganns.training.batchnorm import batchnorm_layers
from ganns.training.networks import ROLES, Networks, build, find, make, parameters_of, statistics_of
from ganns.training.seeds import generator as seeded

NUM = 2
"""Images of a trial."""
Inputs = tuple[torch.Tensor, ...]


def make_checked(config: ModelConfig, role: str) -> nn.Module:
    """Return a network, "g" or "d", whose weights are to be loaded.

    Raises:
        PluginError: if the run's networks cannot be used.
    """
    examine(config)
    return make(config, role)


def build_checked(config: ModelConfig, seed: int) -> tuple[nn.Module, nn.Module]:
    """Return generator and discriminator with their initial weights, drawn from `seed` alone.

    Raises:
        PluginError: if the run's networks cannot be used.
    """
    examine(config)
    return build(config, seed)


def examine(config: ModelConfig) -> dict[str, dict[str, int]]:
    """Return the number of values for each image that a pass normalises, by role and BatchNorm layer.

    Networks of another package are tried before, once in a process.

    Raises:
        PluginError: if they cannot be used; it names the network, and what is wrong with it.
    """
    return _examine(find(config), dataclasses.astuple(config))


@cache
def _examine(kind: type[Networks], settings: tuple[Any, ...]) -> dict[str, dict[str, int]]:
    config = ModelConfig(*settings)
    if config.name in NAMES["model"]:
        with torch.device("meta"):  # shapes without memory
            return _values_per_image({role: make(config, role) for role in ROLES}, inputs_of(config, "meta"))
    hint = f"; `ganns plugin check {config.name}` tries them."
    for _, check in checks(config):
        try:
            fault = check()
        except GannsError:
            raise
        except Exception as error:  # code of another package
            fault = f"they cannot be made ({type(error).__name__}: {str(error)[:200]})"
        if fault is not None:
            raise PluginError(f"model.name={config.name}: {fault}{hint}")
    return _values_per_image({role: make(config, role) for role in ROLES}, inputs_of(config))


def inputs_of(config: ModelConfig, device: str = "cpu") -> dict[str, Inputs]:
    """Return the arguments of each network for a batch of NUM."""
    rng = None if device == "meta" else seeded("probe")
    size = config.image_size
    latent = torch.randn(NUM, config.latent_dim, generator=rng, device=device)
    images = torch.rand(NUM, 3, size, size, generator=rng, device=device) * 2 - 1
    labels = torch.eye(NUM, len(config.labels), device=device)
    given = (labels,) if config.conditional else ()
    return {"g": (latent, *given), "d": (images, *given)}


def _values_per_image(networks: dict[str, nn.Module], inputs: dict[str, Inputs]) -> dict[str, dict[str, int]]:
    return {role: _count(network, inputs[role]) for role, network in networks.items()}


def _count(network: nn.Module, inputs: Inputs) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name, layer in batchnorm_layers(network).items():

        def count(module: Any, given: Inputs, name: str = name) -> None:
            counts[name] = counts.get(name, 0) + given[0].numel() // (module.num_features * NUM)

        layer.register_forward_pre_hook(count)
    with torch.no_grad():
        network(*inputs)
    return counts


def checks(config: ModelConfig) -> list[tuple[str, Callable[[], str | None]]]:
    """Return what networks must hold before a run may use them: a sentence, and a function that returns its fault."""

    def both(check: Callable[[str], str | None]) -> Callable[[], str | None]:
        return lambda: next((f"the {ROLES[role]} {fault}" for role in ROLES if (fault := check(role))), None)

    return [
        ("the constructor depends on PyTorch's seed alone", both(lambda role: _constructed(config, role))),
        ("parameters are float32", both(lambda role: _parameters(config, role))),
        ("inputs and outputs have the right shapes", both(lambda role: _shapes(config, role))),
        ("each parameter has a gradient", both(lambda role: _gradients(config, role))),
        ("a pass changes nothing but BatchNorm's statistics", both(lambda role: _buffers(config, role))),
        ("a pass draws no random numbers", both(lambda role: _random(config, role))),
        ("an image does not depend on the others of its batch", both(lambda role: _alone(config, role))),
    ]


def _network(config: ModelConfig, role: str) -> nn.Module:
    return build(config, 0)[list(ROLES).index(role)]


def _constructed(config: ModelConfig, role: str) -> str | None:
    one: Any = make(config, role)
    other: Any = make(config, role)
    if not (isinstance(one, nn.Module) and isinstance(other, nn.Module)):
        return f"is {type(one).__name__}, and no torch.nn.Module"
    for name, value in [*one.named_parameters(), *one.named_buffers()]:
        if nn.parameter.is_lazy(value):
            return f"has no shape for {name} before its first pass: use no lazy layers"
    mine, theirs = (parameters_of(made) | statistics_of(made) for made in (one, other))
    for name, value in mine.items():
        if name not in theirs or not torch.equal(value, theirs[name]):
            return f"has another {name} each time it is made: draw it with PyTorch's own generator"
    return None


def _parameters(config: ModelConfig, role: str) -> str | None:
    found = list(_network(config, role).named_parameters())
    for name, parameter in found:
        if parameter.dtype != torch.float32:
            return f"has {name} as {parameter.dtype}, not float32"
        if not bool(parameter.isfinite().all()):
            return f"has a number in {name} that is not finite"
    return None if found else "has no parameters: there is nothing to learn"


def _shapes(config: ModelConfig, role: str) -> str | None:
    size = config.image_size
    wanted = (NUM, 3, size, size) if role == "g" else (NUM,)
    try:
        with torch.no_grad():
            found = _network(config, role)(*inputs_of(config)[role])
    except Exception as error:  # code of another package
        given = "noise" if role == "g" else "images"
        also = " and labels" if config.conditional else ""
        return f"cannot be applied to {given}{also} ({type(error).__name__}: {str(error)[:200]})"
    if not isinstance(found, torch.Tensor):
        return f"gives {type(found).__name__}, and no tensor"
    if tuple(found.shape) != wanted or found.dtype != torch.float32:
        return f"gives {list(found.shape)} {found.dtype}, not {list(wanted)} torch.float32"
    low, high = float(found.min()), float(found.max())
    if role == "g" and not -1 <= low <= high <= 1:
        return f"draws values from {low:.3g} to {high:.3g}, not within [-1, 1]: end with tanh"
    return None


def _gradients(config: ModelConfig, role: str) -> str | None:
    network = _network(config, role)
    named = list(network.named_parameters())
    if fixed := [name for name, parameter in named if not parameter.requires_grad]:
        return f"has {fixed[0]}, which requires no gradient: make it a buffer"
    out = network(*inputs_of(config)[role])
    found = torch.autograd.grad(out.square().sum(), [parameter for _, parameter in named], allow_unused=True)
    unused = [name for (name, _), gradient in zip(named, found, strict=True) if gradient is None]
    return f"does not use {unused[0]}: leave it out" if unused else None


def _buffers(config: ModelConfig, role: str) -> str | None:
    network = _network(config, role)
    layers = batchnorm_layers(network)
    for name, layer in layers.items():
        if layer.running_mean is None:
            return f"has BatchNorm without running statistics, {name}: samples would depend on each other"
    own = {f"{name}.running_{kind}" for name in layers for kind in ("mean", "var")}
    before = {name: value.clone() for name, value in statistics_of(network).items()}
    with torch.no_grad():
        network(*inputs_of(config)[role])
    for name, value in statistics_of(network).items():
        if name not in own and not torch.equal(value, before[name]):
            return (
                f"changes its buffer {name} in a pass, so a result would depend on what its worker computed before: "
                "compute it from the weights, as ganns.training.dcgan.spectral_norm does, or use GroupNorm"
            )
    return None


@torch.no_grad()
def _random(config: ModelConfig, role: str) -> str | None:
    outs = []
    with torch.random.fork_rng(devices=[]):
        for seed in (1, 2):
            network = _network(config, role)
            torch.manual_seed(seed)
            outs.append(network(*inputs_of(config)[role]))
    same = torch.equal(*outs)
    return None if same else "draws random numbers in a pass: use no dropout, and no noise beside the latent numbers"


@torch.no_grad()
def _alone(config: ModelConfig, role: str) -> str | None:
    if role == "d":  # it is used in training only
        return None
    network, inputs = _network(config, role).eval(), inputs_of(config)[role]
    together, alone = network(*inputs)[0], network(*(one[:1] for one in inputs))[0]
    same = torch.allclose(together, alone, rtol=1e-3, atol=1e-4)
    return None if same else "draws another image when others are in its batch, in eval mode"
