"""The two networks of a run, by `model.name`: DCGAN, or the networks of another package.

A package brings networks as a subclass of `Networks` (`ganns.plugins`): a generator and a discriminator, made from the
run's `model.*`. Whatever the networks are, the rest of the program knows only this:

- the generator maps noise [N, latent_dim] to images, the discriminator images to logits [N];
- parameters are what is learned and sent; of the buffers, only BatchNorm's statistics change, as pooled sums;
- both are functions of their weights and inputs alone. `probe` holds this for each network that is made.

Shapes: N images of a batch, Z latent_dim, S image_size, A attributes.
"""

from __future__ import annotations

import dataclasses
import threading
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from torch import nn

from ganns import plugins
from ganns.config import NAMES, ModelConfig, nearest
from ganns.errors import ConfigError
from ganns.training import dcgan
from ganns.training.seeds import derive
from ganns.training.seeds import generator as seeded

ROLES = {"g": "generator", "d": "discriminator"}
_making = threading.Lock()  # PyTorch's own generator is one for all threads


class Networks(ABC):
    """A generator and a discriminator. Requirements for each; `ganns plugin check NAME` tests them.

    - The generator maps noise, float32 [N, Z], to images, float32 [N, 3, S, S] in [-1, 1]. The discriminator maps such
      images to logits, float32 [N], higher for "real". With `model.conditional` both get labels, float32 [N, A] in
      [0, 1], as a second argument.
    - Parameters are float32, and each has a gradient. A pass changes no buffer, except BatchNorm's statistics. Buffers
      that stay as the constructor makes them are allowed.
    - A pass draws no random numbers, so there is no dropout: the same unit must give the same result on each worker.
      In eval mode an image does not depend on the others of its batch.
    """

    Options: ClassVar[type[Any] | None] = None
    """A dataclass with keys of your own, typed as `model.options="blocks=2,norm=group"`; each has a default. Its fields
    may be made by `ganns.config.number` and `ganns.config.choice`, which limit the values."""

    def __init__(self, config: ModelConfig) -> None:
        """Keep `config`, which has the run's `model.*`, and read `options`.

        Raises:
            ConfigError: if `model.options` names a key that is not there, or a value that is not allowed.
        """
        self.config = config
        self.options: Any = read_options(config, self.Options)

    @abstractmethod
    def generator(self) -> nn.Module:
        """Return a new generator. Random numbers come from PyTorch's own generator, which is seeded before."""

    @abstractmethod
    def discriminator(self) -> nn.Module:
        """Return a new discriminator, as `generator` does."""

    def initialise(self, network: nn.Module, rng: torch.Generator) -> None:  # noqa: B027 (not abstract)
        """Set the learned tensors of a new network from `rng`; without this, they stay as the constructor made them."""


class DCGAN(Networks):
    """`model.name=dcgan`."""

    def generator(self) -> nn.Module:
        """Return DCGAN's generator."""
        return dcgan.Generator(self.config)

    def discriminator(self) -> nn.Module:
        """Return DCGAN's discriminator."""
        return dcgan.Discriminator(self.config)

    def initialise(self, network: nn.Module, rng: torch.Generator) -> None:
        """Draw the weights as the paper does."""
        dcgan.initialise(network, rng)


NETWORKS: dict[str, type[Networks]] = {"dcgan": DCGAN}


def find(config: ModelConfig) -> type[Networks]:
    """Return the class of the networks called `model.name`.

    Raises:
        PluginError: if there is none, or it is no `Networks`.
    """
    found: type[Networks] = NETWORKS.get(config.name) or plugins.subclass("model", config.name, Networks)
    return found


def make(config: ModelConfig, role: str, seed: int = 0) -> nn.Module:
    """Return a network, "g" or "d", whose weights are to be loaded.

    The constructor's random numbers come from `seed`, so that buffers are equal on each machine.
    """
    networks = find(config)(config)
    with _making, torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "init", ROLES[role]) % 2**63)
        return networks.generator() if role == "g" else networks.discriminator()


def build(config: ModelConfig, seed: int) -> tuple[nn.Module, nn.Module]:
    """Return generator and discriminator with their initial weights, drawn from `seed` alone."""
    made = {role: make(config, role, seed) for role in ROLES}
    for role, network in made.items():
        find(config)(config).initialise(network, seeded(seed, "init", ROLES[role]))
    return made["g"], made["d"]


def read_options(config: ModelConfig, kind: type[Any] | None) -> Any:
    """Return `model.options` as an object of the dataclass `kind`; None without one.

    Raises:
        ConfigError: for a key that `kind` has not, or a value of another type or out of its range.
    """
    pairs = [pair.partition("=") for pair in config.options.split(",") if pair.strip()]
    if kind is None:
        if pairs and config.name not in NAMES["model"]:
            raise ConfigError(f"model.options={config.options}: model.name={config.name} has no keys of its own.")
        return None
    fields = {field.name: field for field in dataclasses.fields(kind)}
    values = {}
    for key, _, text in pairs:
        name = key.strip()
        if name not in fields:
            known = ", ".join(fields) or "none"
            raise ConfigError(
                f"model.options={config.options}: {name} is no key of model.name={config.name}, which has {known}"
                f"{nearest(name, fields)}"
            )
        values[name] = _value(f"model.options: {name}", text.strip(), fields[name])
    return kind(**values)


def _value(key: str, text: str, field: dataclasses.Field[Any]) -> Any:
    """Return a value of the default's type."""
    kind: Any = type(field.default)
    words = {"true": True, "false": False}
    try:
        value = words[text.lower()] if kind is bool else kind(text)
    except (KeyError, ValueError):
        raise ConfigError(f"{key}={text} is no {kind.__name__}.") from None
    low, high = field.metadata.get("range", (value, value))
    if not low <= value <= high:
        raise ConfigError(f"{key}={text} is out of range: give a value from {low} to {high}.")
    if value not in (choices := field.metadata.get("choices", (value,))):
        raise ConfigError(f"{key}={text} is not known: choose {' or '.join(map(str, choices))}.")
    return value


def parameters_of(network: nn.Module) -> dict[str, torch.Tensor]:
    """Return the learned tensors by name, detached (they share memory with the network)."""
    return {name: parameter.detach() for name, parameter in network.named_parameters()}


def statistics_of(network: nn.Module) -> dict[str, torch.Tensor]:
    """Return the buffers by name, which are BatchNorm's running means and variances and constant ones (shared memory).

    BatchNorm's counter is left out: nothing reads it.
    """
    return {name: buffer for name, buffer in network.named_buffers() if not name.endswith("num_batches_tracked")}


@torch.no_grad()
def sample(network: nn.Module, latent: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
    """Draw images [N, 3, S, S] in [-1, 1] from latent [N, Z] (and labels [N, A] of a conditional network).

    It is done in eval mode: from the running statistics.
    """
    was_training = network.training
    network.eval()
    inputs = (latent,) if labels is None else (latent, labels.to(latent.device))
    images = torch.cat([network(*part) for part in zip(*(torch.split(one, 64) for one in inputs), strict=True)])
    network.train(was_training)
    return images.contiguous()
