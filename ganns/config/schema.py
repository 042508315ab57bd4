"""All settings of a run, and the options of each group."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field, is_dataclass
from functools import cache
from typing import Any

from ganns.config.classroom import (
    AuditConfig,
    AutoCodec,
    CodecConfig,
    DbConfig,
    EvaluateConfig,
    Fp16Codec,
    Fp32Codec,
    HomeCodec,
    Int8Codec,
    NoStore,
    QuorumConfig,
    S3Store,
    StopConfig,
    StoreConfig,
)
from ganns.config.fields import SEED_MAX, number
from ganns.config.training import (
    AggregateConfig,
    AutoStrategy,
    CelebAData,
    CenteredClippingAggregate,
    DataConfig,
    GradientStrategy,
    HingeLoss,
    ImageFolderData,
    LocalStepsStrategy,
    LossConfig,
    MedianAggregate,
    ModelConfig,
    MultiKrumAggregate,
    NonSaturatingLoss,
    OptimizerConfig,
    PackedData,
    PluginAggregate,
    PluginData,
    StrategyConfig,
    SyntheticData,
    TrimmedMeanAggregate,
)
from ganns.errors import ConfigError


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
