"""The checks of a configuration: ranges, and values that do not fit together."""

from __future__ import annotations

import re

from ganns.config.classroom import S3Store
from ganns.config.schema import CHOSEN, NAMES, PLUGGED, Config, nearest, settings
from ganns.config.training import (
    AUGMENTATIONS,
    ImageFolderData,
    ModelConfig,
    MultiKrumAggregate,
    PackedData,
    TrimmedMeanAggregate,
    least_results,
    num_hostile,
)
from ganns.errors import ConfigError

MAX_ATTRIBUTES = 40  # as many as CelebA has


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
