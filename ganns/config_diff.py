"""Settings of several runs: where they differ, how they are written. Needs no torch: who watches uses it, too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ganns.config import Config, to_dict

NOT_SETTINGS = {"resume"}


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a nested configuration by dotted key."""
    found: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{key}.")
        elif f"{prefix}{key}" not in NOT_SETTINGS:
            found[f"{prefix}{key}"] = value
    return found


def differing(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the keys in which these differ; one that an older run does not have yet counts as its default."""
    defaults = flat(to_dict(Config()))
    keys = {key for one in settings for key in one}
    values = {key: {repr(one.get(key, defaults.get(key))) for one in settings} for key in keys}
    return sorted(key for key in keys if len(values[key]) > 1)


def labels(configs: Sequence[Config]) -> list[str]:
    """Return what distinguishes each configuration from the others, as it would be typed."""
    settings = [flat(to_dict(config)) for config in configs]
    keys = differing(settings)
    return [label(one, keys) for one in settings]


def label(settings: Mapping[str, Any], keys: Sequence[str], names: Sequence[str] | None = None) -> str:
    """Return "optimizer.lr_g=0.0002 seed=1"; `names` may be shorter ones for the same keys."""
    words = [f"{name}={shown(settings.get(key))}" for key, name in zip(keys, names or keys, strict=True)]
    return " ".join(words) or "all settings alike"


def shown(value: Any) -> str:
    """Return a setting's value as it is typed."""
    return "null" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def short(keys: Sequence[str]) -> list[str]:
    """Return the keys without their groups, where that is clear: "lr_g"; of a group's name, the group: "strategy"."""
    words = [key.removesuffix(".name").rpartition(".")[2] for key in keys]
    return [word if words.count(word) == 1 else key for word, key in zip(words, keys, strict=True)]
