"""A trained generator as a folder for use elsewhere: safetensors, config.json, and a model card.

    from ganns.export import load
    generator = load("run-7")                   # a torch.nn.Module in eval mode
    images = generator(torch.randn(16, 100))    # [16, 3, 64, 64] in [-1, 1]

A folder may come from an unknown source: `load` checks every file before use, and unpickles nothing.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ganns.config import NAMES, Config, ModelConfig, StopConfig, from_dict, to_dict
from ganns.errors import ConfigError, ExportError, PayloadError
from ganns.training.networks import make, parameters_of, statistics_of
from ganns.training.serialization import unpack, write_file
from ganns.training.state import TrainingState

FORMAT = "ganns.generator/1"
CONFIG, WEIGHTS, CARD, SAMPLES, ONNX = (
    "config.json",
    "generator.safetensors",
    "README.md",
    "samples.png",
    "generator.onnx",
)
MAX_CONFIG_BYTES, MAX_WEIGHTS_BYTES = 1 << 20, 4 << 30


@dataclass(frozen=True)
class Exported:
    """The description of the generator in a folder."""

    model: ModelConfig
    digest: str  # of the weights' file
    averaged: bool
    seed: int  # the run's: it determines the fixed noise
    version: int
    images: int


def write_model(folder: Path, state: TrainingState, *, averaged: bool, source: dict[str, Any] | None = None) -> None:
    """Write the weights and config.json into the existing `folder`.

    Args:
        folder: the folder to write.
        state: the version to export.
        averaged: the moving average of the generator (True) or the generator itself.
        source: more facts about its origin, for config.json (JSON values).
    """
    generator = state.generator(averaged=averaged)
    found = write_file(folder / WEIGHTS, tensors_of(generator), {"format": FORMAT})
    progress = state.progress
    content = {
        "format": FORMAT,
        "ganns": installed("ganns"),
        "model": dataclasses.asdict(state.config.model),
        "weights": {"file": WEIGHTS, "digest": found, "algorithm": "XXH3-128"},
        "input": "latent: float32 [N, latent_dim], standard normal",
        **({"labels": labels_in_words(state.config.model)} if state.config.model.conditional else {}),
        "output": "images: float32 [N, 3, image_size, image_size], RGB in [-1, 1]",
        "averaged": averaged,
        "seed": state.config.seed,
        "version": progress.version,
        "images": progress.images,
        "seconds": round(progress.seconds, 3),
        "settings": public_settings(state.config),
    }
    text = json.dumps(content | {"source": source or {}}, indent=2) + "\n"
    (folder / CONFIG).write_text(text, encoding="utf-8")


def load(folder: str | Path) -> nn.Module:
    """Return the exported generator, in eval mode.

    Raises:
        ExportError: if the folder holds no such model, or a file in it is damaged or foreign.
        PluginError: if the model's networks are those of a package that is not installed here.
    """
    folder = Path(folder)
    info = describe(folder)
    data = _read(folder / WEIGHTS, MAX_WEIGHTS_BYTES)
    try:
        tensors = unpack(data, info.digest)
    except PayloadError as error:
        raise ExportError(f"{folder / WEIGHTS} is damaged, or of another model than {CONFIG}: {error}") from error
    # Shapes without memory: refuse wrong files before the network is built. Other packages' code may not allow it.
    with torch.device("meta" if info.model.name in NAMES["model"] else "cpu"):
        places = tensors_of(make(info.model, "g"))
    shapes = {name: (tensor.dtype, tuple(tensor.shape)) for name, tensor in tensors.items()}
    wanted = {name: (place.dtype, tuple(place.shape)) for name, place in places.items()}
    if shapes != wanted:
        odd = sorted(name for name in shapes.keys() | wanted.keys() if shapes.get(name) != wanted.get(name))
        raise ExportError(
            f"{folder / WEIGHTS} does not fit the model that {CONFIG} describes: {odd[0]} is "
            f"{shapes.get(odd[0], 'missing')}, wanted is {wanted.get(odd[0], 'nothing')}; export the model again."
        )
    generator = make(info.model, "g")
    with torch.no_grad():
        for name, place in tensors_of(generator).items():
            place.copy_(tensors[name])
    return generator.eval()


def describe(folder: str | Path) -> Exported:
    """Read config.json, without the weights.

    Raises:
        ExportError: if it is missing or not what `write_model` writes.
    """
    path = Path(folder) / CONFIG
    if not path.is_file():
        raise ExportError(f"There is no exported model in {folder}: it has no {CONFIG}. `ganns export` makes one.")
    try:
        content = json.loads(_read(path, MAX_CONFIG_BYTES))
        if content["format"] != FORMAT:
            raise ValueError(f"its format is {content['format']!r}, this program reads {FORMAT!r}")
        # The same checks as for a run's settings: they limit the network's size.
        model = from_dict({"model": content["model"], "stop": dataclasses.asdict(StopConfig(rounds=1))}).model
        weights = content["weights"]
        return Exported(
            model,
            str(weights["digest"]),
            bool(content["averaged"]),
            int(content["seed"]),
            int(content["version"]),
            int(content["images"]),
        )
    except (ValueError, TypeError, KeyError, RecursionError, ConfigError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else error
        raise ExportError(f"{path} is not the description of an exported model ({reason}).") from error


def labels_in_words(model: ModelConfig) -> str:
    """Return what the generator of a conditional model gets beside the noise."""
    return f"labels: float32 [N, {len(model.labels)}], from 0 (absent) to 1 (there): {', '.join(model.labels)}"


def tensors_of(generator: nn.Module) -> dict[str, torch.Tensor]:
    """Return all tensors that determine the generator's images, by name (they share its memory)."""
    return parameters_of(generator) | statistics_of(generator)


def public_settings(config: Config) -> dict[str, Any]:
    """Return the run's settings without private paths and addresses, and without settings for the start."""
    settings = to_dict(config)
    for key in ("resume", "start_from", "store"):
        settings.pop(key, None)
    for key in ("path", "url"):
        settings["data"].pop(key, None)
    return settings


def _read(path: Path, limit: int) -> bytes:
    try:
        if path.stat().st_size > limit:
            raise ExportError(f"{path} has {path.stat().st_size:,} bytes; no model of ours is so large.")
        return path.read_bytes()
    except OSError as error:
        raise ExportError(f"{path} cannot be read ({error.strerror}): export the model again.") from error
