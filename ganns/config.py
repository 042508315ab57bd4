"""What a run is configured with: one dataclass a group of `conf/`, and the range of every number.

`ganns train` composes the values with Hydra, stores them in the run's row with `to_dict`, and every worker
reads them back with `from_dict`: no laptop carries YAML that can disagree. The dataclasses are plain Python:
the maths imports them without pulling in Hydra, and OmegaConf is imported only to check a dictionary.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ganns.errors import ConfigError

# What the `name` of a group may be. The registries that turn a name into code use the same words.
NAMES: dict[str, tuple[str, ...]] = {
    "model": ("dcgan",),
    "data": ("synthetic", "image_folder", "celeba", "packed"),
    "strategy": ("gradient", "local_steps"),
    "loss": ("non_saturating", "hinge"),
    "optimizer": ("adam",),
    "aggregate": ("mean", "median"),
    "codec": ("fp32", "fp16"),
}
PLUGGED = ("data", "loss", "aggregate")
"""Groups of which other packages may bring more (`ganns.plugins`, where their names are checked)."""
FEATURES = ("attributes", "inception")
AUGMENTATIONS = ("color", "translation", "cutout")


@dataclass
class ModelConfig:
    """DCGAN (Radford et al. 2015); `features_*` is the number of channels in the layer next to the image."""

    name: str = "dcgan"
    image_size: int = 64
    latent_dim: int = 100
    features_g: int = 64
    features_d: int = 64
    spectral_norm: bool = False


@dataclass
class DataConfig:
    """The images. `count` and `seed` belong to `synthetic`; `path` and `url` to the data that you bring."""

    name: str = "synthetic"
    path: str | None = None
    url: str | None = None
    count: int = 20000
    holdout: int = 2000
    seed: int = 0


@dataclass
class StrategyConfig:
    """What a unit computes: `unit_images` images in steps of `micro_batch`, which is what BatchNorm sees.

    `outer_*` belong to `local_steps`: how the averaged weight delta is applied.
    """

    name: str = "gradient"
    unit_images: int = 64
    micro_batch: int = 64
    outer_lr: float = 1.0
    outer_momentum: float = 0.0
    pipeline: bool = False  # open each round before the one before it is closed; its units compute at an older version
    mixed_precision: bool = False


@dataclass
class LossConfig:
    """What the networks minimise; `r1` is a penalty's weight, `augment` a list like "color,translation"."""

    name: str = "non_saturating"
    label_smoothing: float = 0.0
    r1: float = 0.0
    augment: str = ""


@dataclass
class OptimizerConfig:
    """Adam (Kingma & Ba 2015) for both networks, and the decay of the averaged generator."""

    name: str = "adam"
    lr_g: float = 2e-4
    lr_d: float = 2e-4
    beta1: float = 0.5
    beta2: float = 0.999
    eps: float = 1e-8
    ema_decay: float = 0.999


@dataclass
class AggregateConfig:
    """How results become one update; a result whose gradient norm is above `max_norm` is refused."""

    name: str = "mean"
    max_norm: float | None = None


@dataclass
class CodecConfig:
    """How tensors become bytes on the wire."""

    name: str = "fp32"


@dataclass
class QuorumConfig:
    """How many results close a round; without `deadline_s` the round waits for all `units`."""

    units: int = 4
    spares: int = 0
    deadline_s: float | None = None
    grace_s: float = 0.0


@dataclass
class DbConfig:
    """How often a checkpoint goes to the database, and how many versions of the weights stay there."""

    checkpoint_s: float = 60.0
    keep_versions: int = 2


@dataclass
class EvaluateConfig:
    """How often versions are compared with held-out images (0: never), with how many of each, seen with what."""

    every: int = 100
    images: int = 2000
    features: str = "attributes"


@dataclass
class StopConfig:
    """When the run ends: at whichever comes first; at least one is needed."""

    rounds: int | None = None
    epochs: int | None = None
    minutes: float | None = None


@dataclass
class Config:
    """Everything about a run. `Config()` equals `conf/config.yaml` except that it has no `stop` yet."""

    name: str = ""
    seed: int = 0
    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    strategy: StrategyConfig = field(default_factory=StrategyConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    aggregate: AggregateConfig = field(default_factory=AggregateConfig)
    codec: CodecConfig = field(default_factory=CodecConfig)
    quorum: QuorumConfig = field(default_factory=QuorumConfig)
    db: DbConfig = field(default_factory=DbConfig)
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)
    stop: StopConfig = field(default_factory=StopConfig)
    resume: str | None = None
    sample_every: int = 50
    tensorboard: bool = False
    start_from: str | None = None
    plugins: dict[str, str] = field(default_factory=dict)  # not typed: which packages the run was made with


def to_dict(config: Config) -> dict[str, Any]:
    """Return `config` as nested dictionaries of JSON values, as it is stored in the run's row."""
    return dataclasses.asdict(config)


def from_dict(values: Mapping[str, Any]) -> Config:
    """Build a checked `Config` from nested dictionaries; a key that is missing gets its default.

    Raises:
        ConfigError: an unknown key, a value of the wrong type, or one out of its range; it names the key.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import ConfigKeyError, OmegaConfBaseException

    try:
        merged = OmegaConf.merge(OmegaConf.structured(Config), OmegaConf.create(dict(values)))
        config = OmegaConf.to_object(merged)
    except ConfigKeyError as error:
        raise unknown_key(str(error.full_key or error.key)) from error
    except OmegaConfBaseException as error:
        key = error.full_key or error.key or "the configuration"
        reason = (error.msg or str(error)).splitlines()[0]
        raise ConfigError(f"{key} has a value that cannot be used: {reason}.") from error
    assert isinstance(config, Config)
    validate(config)
    return config


def validate(config: Config) -> None:
    """Check every value against its allowed range.

    Raises:
        ConfigError: naming the key, its value and what is allowed.
    """
    for group, names in NAMES.items():
        name = getattr(config, group).name
        if name not in names and group not in PLUGGED:
            choice = f"choose {' or '.join(names)}{nearest(name, names)}"
            raise ConfigError(f"{group}.name={name} is not known: {choice}")
    if config.model.image_size not in (32, 64):
        raise ConfigError(f"model.image_size={config.model.image_size} is out of range: choose 32 or 64.")
    for key, value, low, high in _ranges(config):
        if value is not None and not low <= value <= high:
            raise ConfigError(f"{key}={value} is out of range: give a value from {low} to {high}.")
    unit, micro = config.strategy.unit_images, config.strategy.micro_batch
    if unit % micro:
        raise ConfigError(
            f"strategy.micro_batch={micro} does not divide strategy.unit_images={unit}: "
            f"choose a divisor of {unit}, or {unit} itself."
        )
    if unknown := set(filter(None, config.loss.augment.split(","))) - set(AUGMENTATIONS):
        raise ConfigError(
            f"loss.augment={config.loss.augment} names {min(unknown)!r}, which is not known: "
            f"choose from {', '.join(AUGMENTATIONS)}, joined by commas."
        )
    if config.loss.name == "hinge" and config.loss.label_smoothing:
        raise ConfigError(
            f"loss.label_smoothing={config.loss.label_smoothing} has no meaning with loss=hinge, which has no labels: "
            "set it to 0, or choose loss=non_saturating."
        )
    if config.evaluate.features not in FEATURES:
        raise ConfigError(
            f"evaluate.features={config.evaluate.features} is not known: "
            f"choose {' or '.join(FEATURES)}{nearest(config.evaluate.features, FEATURES)}"
        )
    if config.strategy.pipeline and config.strategy.name != "gradient":
        raise ConfigError(
            f"strategy.pipeline=true does not go with strategy={config.strategy.name}: a change of so many steps, "
            "applied to a version that has moved on, makes the networks swing. Leave it out, or choose "
            "strategy=gradient."
        )
    if config.data.name == "image_folder" and not config.data.path:
        raise ConfigError("data.path is empty: name the folder or zip with your images, data.path=/a/folder.")
    if config.data.name == "packed" and not (config.data.url or config.data.path):
        raise ConfigError("data.url is empty: give the address that the pack is served at, data.url=http://host/faces.")
    if config.stop.rounds is None and config.stop.epochs is None and config.stop.minutes is None:
        raise ConfigError("stop is empty: say when to end, with stop.rounds, stop.epochs or stop.minutes.")


def _ranges(config: Config) -> list[tuple[str, float | None, float, float]]:
    """Return (key, value, lowest, highest) of every number; None means "not set" and is always allowed."""
    model, data, strategy, optimizer = config.model, config.data, config.strategy, config.optimizer
    quorum, db, stop = config.quorum, config.db, config.stop
    tiny, year_s = 1e-12, 366 * 86400  # `tiny` stands for "more than 0"
    return [
        ("seed", config.seed, 0, 2**31 - 1),  # the epoch's order comes from RandomState, which takes 32 bits
        ("sample_every", config.sample_every, 0, 10**9),
        ("model.latent_dim", model.latent_dim, 1, 4096),
        ("model.features_g", model.features_g, 1, 1024),
        ("model.features_d", model.features_d, 1, 1024),
        ("data.count", data.count, 2, 10**8),
        ("data.holdout", data.holdout, 0, 10**8),
        ("data.seed", data.seed, 0, 2**31 - 1),
        # BatchNorm has no variance to normalise with below two images.
        ("strategy.unit_images", strategy.unit_images, 2, 65536),
        ("strategy.micro_batch", strategy.micro_batch, 2, strategy.unit_images),
        ("strategy.outer_lr", strategy.outer_lr, tiny, 10),
        ("strategy.outer_momentum", strategy.outer_momentum, 0, 0.999),
        ("loss.label_smoothing", config.loss.label_smoothing, 0, 0.5),
        ("loss.r1", config.loss.r1, 0, 1e6),
        ("optimizer.lr_g", optimizer.lr_g, 0, 1),
        ("optimizer.lr_d", optimizer.lr_d, 0, 1),
        ("optimizer.beta1", optimizer.beta1, 0, 0.999999),
        ("optimizer.beta2", optimizer.beta2, 0, 0.999999),
        ("optimizer.eps", optimizer.eps, tiny, 1),
        ("optimizer.ema_decay", optimizer.ema_decay, 0, 0.999999),
        ("aggregate.max_norm", config.aggregate.max_norm, tiny, 1e12),
        ("quorum.units", quorum.units, 1, 10000),
        ("quorum.spares", quorum.spares, 0, 10000),
        ("quorum.deadline_s", quorum.deadline_s, tiny, year_s),
        ("quorum.grace_s", quorum.grace_s, 0, 3600),
        ("db.checkpoint_s", db.checkpoint_s, 0, year_s),
        ("db.keep_versions", db.keep_versions, 2, 10000),  # the newest, and the one in use
        ("evaluate.every", config.evaluate.every, 0, 10**9),
        ("evaluate.images", config.evaluate.images, 2, 10000),
        ("stop.rounds", stop.rounds, 1, 10**12),
        ("stop.epochs", stop.epochs, 1, 10**9),
        ("stop.minutes", stop.minutes, tiny, year_s // 60),
    ]


def keys() -> list[str]:
    """Return every dotted key that a run can be configured with, `model.latent_dim` and so on."""
    found: list[str] = []
    for name, value in to_dict(Config()).items():
        found += [f"{name}.{inner}" for inner in value] if isinstance(value, dict) else [name]
    return found


def unknown_key(key: str) -> ConfigError:
    """Return the error for a key that does not exist, with the nearest one that does.

    The last word decides, within its group if that is right: `minutes` and `stp.minuts` mean `stop.minutes`.
    """
    group, _, word = key.rpartition(".")
    groups = [name for name, value in to_dict(Config()).items() if isinstance(value, dict)]
    known = [*keys(), *groups]
    if group in groups:
        known = [found for found in known if found.startswith(f"{group}.")]
    by_word = {found.rpartition(".")[2]: found for found in reversed(known)}
    close = difflib.get_close_matches(word, by_word, n=1, cutoff=0.6)
    hint = f"did you mean {by_word[close[0]]}?" if close else "`ganns train --cfg job` lists all settings."
    return ConfigError(f"{key} is not a setting; {hint}")


def nearest(word: str, options: Iterable[str]) -> str:
    """Return a sentence's end: "; did you mean X?" for the option most like `word`, or a full stop."""
    close = difflib.get_close_matches(word, list(options), n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else "."
