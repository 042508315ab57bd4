"""The configuration of a run: one dataclass for each group of `conf/`, with the range of every number.

`ganns train` composes the values with Hydra, stores them in the run's row with `to_dict`, and every worker
reads them back with `from_dict`: no laptop has YAML that can disagree. The dataclasses are plain Python:
the maths imports them without Hydra, and OmegaConf is imported only to check a dictionary.

`schema` lists the groups and their options, `training` and `classroom` have the keys of each, `validation` the checks,
and `stored` the form in the run's row.
"""

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
from ganns.config.fields import (
    TINY,
    choice,
    number,
)
from ganns.config.schema import (
    NAMES,
    OPTIONS,
    PLUGGED,
    Config,
    nearest,
    settings,
    unknown_key,
)
from ganns.config.stored import (
    from_dict,
    to_dict,
    without_foreign_keys,
    without_old_keys,
)
from ganns.config.training import (
    AUGMENTATIONS,
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
    least_results,
    num_hostile,
)
from ganns.config.validation import (
    validate,
)

# fmt: off
__all__ = [  # noqa: RUF022 - a block, sorted by the alphabet
    "AUGMENTATIONS", "AggregateConfig", "AuditConfig", "AutoCodec", "AutoStrategy", "CelebAData",
    "CenteredClippingAggregate", "CodecConfig", "Config", "DataConfig", "DbConfig", "EvaluateConfig", "Fp16Codec",
    "Fp32Codec", "GradientStrategy", "HingeLoss", "HomeCodec", "ImageFolderData", "Int8Codec", "LocalStepsStrategy",
    "LossConfig", "MedianAggregate", "ModelConfig", "MultiKrumAggregate", "NAMES", "NoStore", "NonSaturatingLoss",
    "OPTIONS", "OptimizerConfig", "PLUGGED", "PackedData", "PluginAggregate", "PluginData", "QuorumConfig",
    "S3Store", "StopConfig", "StoreConfig", "StrategyConfig", "SyntheticData", "TINY", "TrimmedMeanAggregate",
    "choice", "from_dict", "least_results", "nearest", "num_hostile", "number", "settings", "to_dict",
    "unknown_key", "validate", "without_foreign_keys", "without_old_keys",
]
# fmt: on
