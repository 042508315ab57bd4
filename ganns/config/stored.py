"""A configuration as nested dictionaries, as the run's row has it, and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any

from ganns.config.schema import CHOSEN, OPTIONS, PLUGGED, Config, settings, unknown_key
from ganns.config.validation import validate
from ganns.errors import ConfigError

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
