"""The configuration of a run: one dataclass for each group of `conf/`, with the range of every number.

In the groups `data`, `strategy`, `loss`, `codec` and `store` each option has a dataclass of its own, with only the keys
that it uses, and its defaults.

`ganns train` composes the values with Hydra, stores them in the run's row with `to_dict`, and every worker
reads them back with `from_dict`: no laptop has YAML that can disagree. The dataclasses are plain Python:
the maths imports them without Hydra, and OmegaConf is imported only to check a dictionary.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, is_dataclass
from functools import cache
from typing import Any

from ganns.errors import ConfigError

AUGMENTATIONS = ("color", "translation", "cutout")
MAX_ATTRIBUTES = 40  # as many as CelebA has
TINY = 1e-12  # as the lowest value it means "more than 0"
YEAR_S = 366 * 86400
SEED_MAX = 2**31 - 1  # the order of an epoch's images comes from RandomState, which takes 32 bits


def number(default: float | None, low: float, high: float) -> Any:
    """Return a dataclass field for a number from `low` to `high`; None, as a default, means "not set"."""
    return field(default=default, metadata={"range": (low, high)})


def choice(default: Any, choices: tuple[Any, ...]) -> Any:
    """Return a dataclass field for one of `choices`."""
    return field(default=default, metadata={"choices": choices})


@dataclass
class ModelConfig:
    """DCGAN (Radford et al. 2015); `features_*` is the number of channels in the layer next to the image.

    With `conditional` both networks get `attributes`, a list like "Eyeglasses,Smiling". The networks of another package
    (`ganns.plugins`) use the keys that they need, and have keys of their own in `options`, like "blocks=2,norm=group".
    """

    name: str = "dcgan"
    image_size: int = choice(64, (32, 64, 128))
    latent_dim: int = number(100, 1, 4096)
    features_g: int = number(64, 1, 1024)
    features_d: int = number(64, 1, 1024)
    spectral_norm: bool = False
    conditional: bool = False
    attributes: str = "Eyeglasses,Smiling,Black_Hair,Blond_Hair,Wearing_Hat"
    options: str = ""

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the attributes that both networks get; none without `conditional`."""
        return tuple(name.strip() for name in self.attributes.split(",")) if self.conditional else ()


@dataclass
class DataConfig:
    """The keys of every option of `data`, the images. Each option is a subclass."""

    name: str


@dataclass
class SyntheticData(DataConfig):
    """Faces that a program draws from `seed`: `count` faces to train on, and `holdout` further ones."""

    name: str = "synthetic"
    count: int = number(20000, 2, 10**8)
    holdout: int = number(2000, 0, 10**8)
    seed: int = number(0, 0, SEED_MAX)


@dataclass
class ImageFolderData(DataConfig):
    """A folder or zip of images; the last `holdout` images are held out."""

    name: str = "image_folder"
    path: str | None = None
    holdout: int = number(1000, 0, 10**8)


@dataclass
class CelebAData(DataConfig):
    """CelebA, with its own split; without `path` it is below GANNS_HOME."""

    name: str = "celeba"
    path: str | None = None


@dataclass
class PackedData(DataConfig):
    """A pack, from the web server at `url`, or from the folder `path`; it says which images are held out."""

    name: str = "packed"
    path: str | None = None
    url: str | None = None


@dataclass
class PluginData(SyntheticData):
    """A data set of another package (`ganns.plugins`), which decides the meaning of each key."""

    path: str | None = None
    url: str | None = None


@dataclass
class StrategyConfig:
    """The keys of every option of `strategy`: the computation of a unit, over `unit_images` images.

    BatchNorm normalises over `micro_batch` images at once, and needs two for a variance.
    """

    name: str
    unit_images: int = number(64, 2, 65536)
    micro_batch: int = number(64, 2, 65536)
    mixed_precision: bool = False

    @property
    def pipeline(self) -> bool:
        """Whether two rounds are open; not with `local_steps`, whose many steps would make the networks swing."""
        return False


@dataclass
class GradientStrategy(StrategyConfig):
    """One synchronous step a round; with `pipeline` the gradients are one version old."""

    name: str = "gradient"
    pipeline: bool = False


@dataclass
class LocalStepsStrategy(StrategyConfig):
    """Steps of `micro_batch` images on the worker; `outer_*` say how the mean change of the weights is applied.

    With `per_class` the number of workers chooses the settings of each round (`ganns.training.per_class`).
    """

    name: str = "local_steps"
    unit_images: int = number(1024, 2, 65536)
    micro_batch: int = number(32, 2, 65536)
    outer_lr: float = number(1.0, TINY, 10)
    outer_momentum: float = number(0.0, 0, 0.999)
    per_class: bool = False


@dataclass
class AutoStrategy(LocalStepsStrategy):
    """Local steps, in units that are as large as the workers' links need when the run is created.

    2048 images if nothing is known of them.
    """

    name: str = "auto"
    unit_images: int = number(2048, 2, 65536)


@dataclass
class LossConfig:
    """The keys of every option of `loss`, the function that the networks minimise.

    `r1` is the weight of a penalty, `augment` a list like "color,translation".
    """

    name: str
    r1: float = number(0.0, 0, 1e6)
    augment: str = ""


@dataclass
class NonSaturatingLoss(LossConfig):
    """Cross-entropy; the label of real images is 1 - `label_smoothing`."""

    name: str = "non_saturating"
    label_smoothing: float = number(0.0, 0, 0.5)


@dataclass
class HingeLoss(LossConfig):
    """The hinge loss, which has no labels."""

    name: str = "hinge"


@dataclass
class OptimizerConfig:
    """Adam (Kingma & Ba 2015) for both networks, and the decay of the averaged generator.

    With `decay_rounds` the learning rates fall: in round r they are divided by 1 + r / decay_rounds.
    """

    name: str = "adam"
    lr_g: float = number(2e-4, 0, 1)
    lr_d: float = number(2e-4, 0, 1)
    beta1: float = number(0.5, 0, 0.999999)
    beta2: float = number(0.999, 0, 0.999999)
    eps: float = number(1e-8, TINY, 1)
    ema_decay: float = number(0.999, 0, 0.999999)
    decay_rounds: int | None = number(None, 1, 10**9)


@dataclass
class AggregateConfig:
    """The rule that turns results into one update.

    A result whose gradient norm is above `max_norm` is refused. One whose norm is above `clip` times the median norm of
    the results before it is scaled down to that.
    """

    name: str = "mean"
    max_norm: float | None = number(None, TINY, 1e12)
    clip: float | None = number(10.0, 1, 1e6)


@dataclass
class MedianAggregate(AggregateConfig):
    """The median of each number."""

    name: str = "median"


@dataclass
class CenteredClippingAggregate(AggregateConfig):
    """The mean of the results, each clipped to a distance from a centre."""

    name: str = "centered_clipping"


@dataclass
class TrimmedMeanAggregate(AggregateConfig):
    """The mean without extremes; `hostile` is the share of the results that may be wrong, rounded up to results."""

    name: str = "trimmed_mean"
    hostile: float = number(0.2, 0, 0.49)


@dataclass
class MultiKrumAggregate(AggregateConfig):
    """The mean of the results with the nearest neighbours; `hostile` as for the trimmed mean."""

    name: str = "multi_krum"
    hostile: float = number(0.2, 0, 0.49)


@dataclass
class PluginAggregate(AggregateConfig):
    """A rule of another package (`ganns.plugins`), which decides whether it uses `hostile`."""

    hostile: float = number(0.2, 0, 0.49)


@dataclass
class AuditConfig:
    """Results that are computed again, and compared (docs/explain/robust.md).

    Each of the first results of `of` is, until `first` in a row agreed; then at most the `share` of them. `failures`
    wrong ones in a run end a login's part in it.
    """

    of: str = choice("students", ("students", "everyone", "nobody"))
    first: int = number(10, 0, 10000)
    share: float = number(0.1, 0, 1)
    failures: int = number(3, 1, 1000)


UP = ("fp32", "fp16", "int8", "int4", "rot2")
DOWN = ("fp32", "int8", "chain")


@dataclass
class CodecConfig:
    """The keys of every option of `codec`, the coding of tensors as bytes: `up` of results, `down` of weights."""

    name: str
    up: str = choice("fp32", UP)
    down: str = choice("fp32", DOWN)


@dataclass
class Fp32Codec(CodecConfig):
    """Exact."""

    name: str = "fp32"


@dataclass
class Fp16Codec(CodecConfig):
    """Half the bytes."""

    name: str = "fp16"
    up: str = choice("fp16", UP)


@dataclass
class Int8Codec(CodecConfig):
    """A quarter of the bytes."""

    name: str = "int8"
    up: str = choice("int8", UP)
    down: str = choice("int8", DOWN)


@dataclass
class HomeCodec(CodecConfig):
    """A fifteenth of the bytes up and a seventh down, for workers at home."""

    name: str = "home"
    up: str = choice("rot2", UP)
    down: str = choice("chain", DOWN)


@dataclass
class AutoCodec(CodecConfig):
    """The option that fits the workers' links, as they are when the run is created; `home` if nothing is known."""

    name: str = "auto"
    up: str = choice("rot2", UP)
    down: str = choice("chain", DOWN)


@dataclass
class StoreConfig:
    """The keys of every option of `store`, a place outside the database that has the weights, too."""

    name: str


@dataclass
class NoStore(StoreConfig):
    """The database alone has the weights."""

    name: str = "none"


@dataclass
class S3Store(StoreConfig):
    """A bucket of an S3-compatible store; its credentials come from the environment, and are no settings.

    `endpoint` is the address of a store that is not Amazon's. `url` is an address at which all can read the bucket,
    such as a content delivery network's: workers try it first, and then a signed address of the store.
    """

    name: str = "s3"
    bucket: str = ""
    endpoint: str | None = None
    url: str | None = None


@dataclass
class QuorumConfig:
    """The results that close a round; without `deadline_s` it waits for all `units`."""

    units: int = number(4, 1, 10000)
    spares: int = number(0, 0, 10000)
    deadline_s: float | None = number(None, TINY, YEAR_S)
    grace_s: float = number(0.0, 0, 3600)


@dataclass
class DbConfig:
    """Checkpoints, the number of versions whose weights stay, and when a login is shut out (0: never).

    The whole state of every `keep_state_every`-th version (0: of none) stays on the coordinator's disk, within
    `keep_state_gb`.
    """

    checkpoint_s: float = number(60.0, 0, YEAR_S)
    keep_versions: int = number(2, 2, 10000)  # the newest version, and the one in use
    keep_state_every: int = number(0, 0, 10**9)
    keep_state_gb: float = number(1.0, 0, 10**6)
    revoke_after: int = number(0, 0, 10**6)  # of its sessions were ended within a day


@dataclass
class EvaluateConfig:
    """The comparison with held-out images: rounds between two (0: never), number of images, features."""

    every: int = number(100, 0, 10**9)
    images: int = number(2000, 2, 10000)
    features: str = choice("attributes", ("attributes", "inception"))


@dataclass
class StopConfig:
    """When the run ends: as soon as one limit is reached; at least one is needed."""

    rounds: int | None = number(None, 1, 10**12)
    epochs: int | None = number(None, 1, 10**9)
    minutes: float | None = number(None, TINY, YEAR_S // 60)


@dataclass
class Config:
    """All settings of a run. `Config()` equals `conf/config.yaml` except that it has no `stop` yet."""

    name: str = ""
    seed: int = number(0, 0, SEED_MAX)
    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=SyntheticData)
    strategy: StrategyConfig = field(default_factory=GradientStrategy)
    loss: LossConfig = field(default_factory=NonSaturatingLoss)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    aggregate: AggregateConfig = field(default_factory=AggregateConfig)
    audit: AuditConfig = field(default_factory=AuditConfig)
    codec: CodecConfig = field(default_factory=Fp32Codec)
    store: StoreConfig = field(default_factory=NoStore)
    quorum: QuorumConfig = field(default_factory=QuorumConfig)
    db: DbConfig = field(default_factory=DbConfig)
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)
    stop: StopConfig = field(default_factory=StopConfig)
    resume: str | None = None
    sample_every: int = number(50, 0, 10**9)
    tensorboard: bool = False
    start_from: str | None = None
    observers: str = ""  # names of plug-ins, joined by commas
    plugins: dict[str, str] = field(default_factory=dict)  # not a setting: the packages that the run needs


OPTIONS: dict[str, dict[str, type[Any]]] = {
    "data": {"synthetic": SyntheticData, "image_folder": ImageFolderData, "celeba": CelebAData, "packed": PackedData},
    "strategy": {"gradient": GradientStrategy, "local_steps": LocalStepsStrategy, "auto": AutoStrategy},
    "loss": {"non_saturating": NonSaturatingLoss, "hinge": HingeLoss},
    "codec": {"fp32": Fp32Codec, "fp16": Fp16Codec, "int8": Int8Codec, "home": HomeCodec, "auto": AutoCodec},
    "store": {"none": NoStore, "s3": S3Store},
    "aggregate": {
        "mean": AggregateConfig,
        "median": MedianAggregate,
        "trimmed_mean": TrimmedMeanAggregate,
        "centered_clipping": CenteredClippingAggregate,
        "multi_krum": MultiKrumAggregate,
    },
}
"""Groups whose options have keys or defaults of their own, and their dataclasses; the default option comes first."""
PLUGGED: dict[str, type[Any]] = {
    "data": PluginData,
    "loss": NonSaturatingLoss,
    "aggregate": PluginAggregate,
    "model": ModelConfig,
}
"""Groups to which other packages may add options (`ganns.plugins`), and the dataclass with such an option's keys."""
NAMES: dict[str, tuple[str, ...]] = {
    **{group: tuple(options) for group, options in OPTIONS.items()},
    "model": ("dcgan",),
    "optimizer": ("adam",),
}
"""The built-in values of each group's `name`. The registries that turn a name into code use the same words."""
CHOSEN = {"codec": ("home", ("up", "down")), "strategy": ("local_steps", ("unit_images", "per_class"))}
"""Lists for each group the keys that its option `auto` chooses, after the option with which they can be typed."""
OLD_KEYS = {
    "data": {"path", "count", "holdout", "seed"},
    "strategy": {"outer_lr", "outer_momentum"},
    "loss": {"label_smoothing"},
}
"""Older versions stored all keys of each group with a run, whatever its options; such a run has at least these."""


def to_dict(config: Config) -> dict[str, Any]:
    """Return `config` as nested dictionaries of JSON values, as it is stored in the run's row."""
    return dataclasses.asdict(config)


def from_dict(values: Mapping[str, Any]) -> Config:
    """Build a checked `Config` from nested dictionaries; a key that is missing gets its default.

    Raises:
        ConfigError: a key is unknown or belongs to another option, or a value has the wrong type or is out of its
            range; the message names the key.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import ConfigKeyError, OmegaConfBaseException

    values = without_old_keys(values)
    schema = _schema(values)
    try:
        merged = OmegaConf.merge(OmegaConf.structured(schema), OmegaConf.create(dict(values)))
        config = OmegaConf.to_object(merged)
    except ConfigKeyError as error:
        raise unknown_key(str(error.full_key or error.key), schema) from error
    except OmegaConfBaseException as error:
        key = error.full_key or error.key or "the configuration"
        reason = (error.msg or str(error)).splitlines()[0]
        raise ConfigError(f"{key} has a value that cannot be used: {reason}.") from error
    except (ArithmeticError, ValueError, TypeError, AttributeError, RecursionError) as error:  # such as 10**400
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ConfigError(f"The configuration has a value that cannot be used: {reason}.") from error
    assert isinstance(config, Config)
    validate(config)
    return config


def without_old_keys(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a run's stored configuration; if an older version stored it, without the keys of other options."""
    groups = [(values.get(group), keys) for group, keys in OLD_KEYS.items()]
    old = all(isinstance(given, Mapping) and keys <= given.keys() for given, keys in groups)
    return without_foreign_keys(values) if old else values


def without_foreign_keys(values: Mapping[str, Any], typed: Collection[str] = ()) -> dict[str, Any]:
    """Return `values` without the keys that belong to another option of their group, or that `auto` chooses.

    Raises:
        ConfigError: a key of another option is in `typed`.
    """
    found, schema = dict(values), _schema(values)
    for group in OPTIONS:
        if isinstance(given := values.get(group), Mapping):
            own = vars(getattr(schema, group))
            if getattr(schema, group).name == "auto":  # a typed one stays, and `validate` refuses it
                chosen = CHOSEN[group][1]
                given = {key: value for key, value in given.items() if key not in chosen or f"{group}.{key}" in typed}
            foreign = [key for key in given if key not in own and f"{group}.{key}" in settings()]
            if refused := [key for key in foreign if f"{group}.{key}" in typed]:
                raise unknown_key(f"{group}.{refused[0]}", schema)
            found[group] = {key: value for key, value in given.items() if key not in foreign}
    return found


def _schema(values: Mapping[str, Any]) -> Config:
    """Return the default configuration, with the options that `values` names, built in or plug-ins."""
    schema = Config()
    for group, options in OPTIONS.items():
        default, given = next(iter(options)), values.get(group)
        name = str(given.get("name", default)) if isinstance(given, Mapping) else default
        setattr(schema, group, (options.get(name) or PLUGGED.get(group) or options[default])(name=name))
    return schema


def validate(config: Config) -> None:
    """Check every value against its allowed range.

    Raises:
        ConfigError: it names the key, its value and the allowed values.
    """
    for group, names in NAMES.items():
        name = getattr(config, group).name
        if name not in names and group not in PLUGGED:
            raise ConfigError(f"{group}.name={name} is not known: choose {' or '.join(names)}{nearest(name, names)}")
    for key, by_option in settings().items():
        group, _, name = key.rpartition(".")
        value = getattr(getattr(config, group) if group else config, name, None)  # None: not set, or of another option
        allowed = next(iter(by_option.values())).metadata
        low, high = allowed.get("range", (value, value))
        if value is not None and not low <= value <= high:
            raise ConfigError(f"{key}={value} is out of range: give a value from {low} to {high}.")
        if value not in (choices := allowed.get("choices", (value,))):
            words = [str(one) for one in choices]
            raise ConfigError(f"{key}={value} is not known: choose {' or '.join(words)}{nearest(str(value), words)}")
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
    _validate_model(config.model)
    _validate_aggregate(config)
    if isinstance(config.store, S3Store):
        _validate_store(config.store)
    _validate_chosen(config)
    if isinstance(config.data, ImageFolderData) and not config.data.path:
        raise ConfigError("data.path is empty: name the folder or zip with your images, data.path=/a/folder.")
    if isinstance(config.data, PackedData) and not (config.data.url or config.data.path):
        raise ConfigError("data.url is empty: give the address that the pack is served at, data.url=http://host/faces.")
    if config.stop.rounds is None and config.stop.epochs is None and config.stop.minutes is None:
        raise ConfigError("stop is empty: say when to end, with stop.rounds, stop.epochs or stop.minutes.")


def _validate_chosen(config: Config) -> None:
    for group, (other, keys) in CHOSEN.items():
        option = getattr(config, group)
        for key in keys if option.name == "auto" else ():
            if (value := getattr(option, key)) != getattr(type(option), key):
                raise ConfigError(
                    f"{group}.{key}={value} cannot be set with {group}=auto, which chooses by the workers: leave it "
                    f"out, or type {group}={other} {group}.{key}={value}."
                )


def _validate_model(model: ModelConfig) -> None:
    if model.options and model.name in NAMES["model"]:
        raise ConfigError(
            f"model.options={model.options} is for networks of another package, and model.name={model.name} is built "
            "in: leave it out."
        )
    names = model.labels
    if any(not name for name in names) or len(set(names)) < len(names) or len(names) > MAX_ATTRIBUTES:
        raise ConfigError(
            f"model.attributes={model.attributes} cannot be used: give 1 to {MAX_ATTRIBUTES} different names, joined "
            'by commas, like "Eyeglasses,Smiling".'
        )


def _validate_store(store: S3Store) -> None:
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", store.bucket):
        raise ConfigError(f"store.bucket={store.bucket} is no bucket's name: give the store's, store.bucket=name.")
    for key, value in {"store.endpoint": store.endpoint, "store.url": store.url}.items():
        if value is None:
            continue
        if re.search("[@?#]", value):  # it may be a secret, so the message does not have it
            raise ConfigError(
                f"{key} has a login or a query, and every worker reads the run's settings: give the address alone. The "
                "coordinator reads credentials from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of its environment."
            )
        if not re.fullmatch(r"https?://[^/\s]+(/\S*)?", value):
            raise ConfigError(f"{key}={value} is no address: give http://... or https://...")


def num_hostile(share: float, num_results: int) -> int:
    """Return how many of `num_results` results may be wrong: the share of them, rounded up."""
    return math.ceil(share * num_results - 1e-9)


def least_results(name: str, hostile: int) -> int:
    """Return the least number of results with which a rule bears `hostile` wrong ones, as its paper says."""
    return {"trimmed_mean": 2 * hostile + 1, "multi_krum": 2 * hostile + 3}.get(name, 1)


def _validate_aggregate(config: Config) -> None:
    rule, units = config.aggregate, config.quorum.units
    if not isinstance(rule, TrimmedMeanAggregate | MultiKrumAggregate):
        return
    hostile = num_hostile(rule.hostile, units)
    if units < (least := least_results(rule.name, hostile)):
        raise ConfigError(
            f"aggregate={rule.name} needs {least} results a round to bear {hostile} wrong ones "
            f"(aggregate.hostile={rule.hostile:g}), and quorum.units={units}: give a larger quorum.units, a smaller "
            "aggregate.hostile, or aggregate=median."
        )


@cache
def settings() -> dict[str, dict[str, dataclasses.Field[Any]]]:
    """Return the dataclass field of every setting, by dotted key, then by the option that has it ("" for all)."""
    found: dict[str, dict[str, dataclasses.Field[Any]]] = {}
    for outer in dataclasses.fields(Config):
        value = getattr(Config(), outer.name)
        if not is_dataclass(value):
            found[outer.name] = {"": outer}
            continue
        for option, kind in OPTIONS.get(outer.name, {"": value}).items():
            for inner in dataclasses.fields(kind):
                found.setdefault(f"{outer.name}.{inner.name}", {})[option] = inner
    del found["plugins"]
    return found


def unknown_key(key: str, config: Config | None = None) -> ConfigError:
    """Return the error for a key that does not exist, or, with a `config`, that its options do not have.

    It names the nearest key. The last word decides, within its group if that is right: `minutes` and `stp.minuts` mean
    `stop.minutes`.
    """
    group, _, word = key.rpartition(".")
    if config is not None and key in settings():
        owners = [f"{group}={option}" for option in settings()[key]]
        return ConfigError(
            f"{key} is a setting of {' and '.join(owners)}, and this run has {group}={getattr(config, group).name}: "
            f"leave it out, or type {' or '.join(owners)}."
        )
    groups = {found.partition(".")[0] for found in settings() if "." in found}
    known = [found for found in (*settings(), *groups) if group not in groups or found.startswith(f"{group}.")]
    by_word = {found.rpartition(".")[2]: found for found in reversed(known)}
    close = difflib.get_close_matches(word, by_word, n=1, cutoff=0.6)
    hint = f"did you mean {by_word[close[0]]}?" if close else "`ganns train --cfg job` lists all settings."
    return ConfigError(f"{key} is not a setting; {hint}")


def nearest(word: str, options: Iterable[str]) -> str:
    """Return a sentence's end: "; did you mean X?" for the option most like `word`, or a full stop."""
    close = difflib.get_close_matches(word, list(options), n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else "."
