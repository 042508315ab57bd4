"""Compare and format the settings of several runs. Needs no torch: the dashboard uses it, too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ganns.config import Config, to_dict, without_old_keys
from ganns.config import settings as known_settings

NOT_SETTINGS = {"resume"}


def flat(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run's stored configuration by dotted key."""
    found: dict[str, Any] = {}
    for key, value in without_old_keys(config).items():
        if isinstance(value, Mapping):
            found |= {f"{key}.{inner}": one for inner, one in value.items()}
        elif key not in NOT_SETTINGS:
            found[key] = value
    return found


def differing(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the keys in which the settings differ.

    A run may lack a key, because it is older, or has another option of the group (only `data=synthetic` has
    `data.count`). That is a difference only if another run has a value that is not the default.
    """
    found = []
    for key in sorted({key for one in settings for key in one}):
        values = {repr(one[key]) for one in settings if key in one}
        defaults = {repr(option.default) for option in known_settings().get(key, {}).values()}
        if len(values) > 1 or (any(key not in one for one in settings) and not values <= defaults):
            found.append(key)
    return found


def labels(configs: Sequence[Config]) -> list[str]:
    """Return each configuration's differences from the others, as on the command line."""
    settings = [flat(to_dict(config)) for config in configs]
    keys = differing(settings)
    return [label(one, keys) for one in settings]


def label(settings: Mapping[str, Any], keys: Sequence[str], names: Sequence[str] | None = None) -> str:
    """Return "optimizer.lr_g=0.0002 seed=1", without keys that the run lacks; `names` may be shorter ones."""
    words = [f"{name}={shown(settings[key])}" for key, name in zip(keys, names or keys, strict=True) if key in settings]
    return " ".join(words) or "all settings alike"


def shown_in(settings: Mapping[str, Any], key: str) -> str:
    """Return a run's value of a setting as the user types it, or "-" if the run has no such setting."""
    return shown(settings[key]) if key in settings else "-"


def shown(value: Any) -> str:
    """Return a setting's value as the user types it."""
    return "null" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def short(keys: Sequence[str]) -> list[str]:
    """Return the keys without their groups, if unique: "lr_g"; for "strategy.name" return "strategy"."""
    words = [key.removesuffix(".name").rpartition(".")[2] for key in keys]
    return [word if words.count(word) == 1 else key for word, key in zip(words, keys, strict=True)]
