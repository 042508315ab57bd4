"""Overrides: the arguments on the command line, and the values that Hydra composes from them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

from ganns.config import OPTIONS, Config, settings, without_foreign_keys
from ganns.errors import ConfigError

IDLE = {
    ("audit", "of", "nobody"): (("first", "share", "failures"), "audit=students"),
    ("model", "conditional", False): (("attributes",), "model.conditional=true"),
    ("db", "keep_state_every", 0): (("keep_state_gb",), "db.keep_state_every=100"),
}
"""For a group's key and its value: the keys of this group that do nothing then, and a setting with which they do."""


def to_values(composed: Any, overrides: Sequence[str]) -> dict[str, Any]:
    """Return the composed settings (without Hydra's own) as dictionaries, without the keys of other options.

    `experiment=demo data=celeba` takes no `data.count` from the experiment, which wrote it for `data=synthetic`.

    Raises:
        ConfigError: the user typed a key of another option, or one that does nothing with the other settings.
    """
    from omegaconf import OmegaConf

    values = OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
    assert isinstance(values, dict)
    typed = () if values.get("resume") else typed_keys(overrides)  # a resumed run has its own options
    _refuse_idle(values, typed)
    return without_foreign_keys({str(key): value for key, value in values.items()}, typed)


def _refuse_idle(values: dict[Any, Any], typed: Sequence[str]) -> None:
    """Refuse a typed key that does nothing, but not its default: programs may write out all settings of a run."""
    defaults = Config()
    for (group, key, value), (names, needed) in IDLE.items():
        for name in names if values[group].get(key) == value else ():
            if f"{group}.{name}" in typed and values[group][name] != getattr(getattr(defaults, group), name):
                raise ConfigError(
                    f"{group}.{name}={values[group][name]} does nothing with {group}.{key}={str(value).lower()}: leave "
                    f"it out, or type {needed}, too."
                )


def typed_keys(overrides: Sequence[str]) -> list[str]:
    """Return the keys of overrides: "seed" of "seed=7", "data.count" of "+data.count=9"."""
    return [str(word).lstrip("+~").partition("=")[0] for word in overrides]


def with_all_keys(overrides: Sequence[str]) -> list[str]:
    """Write `++data.path=x` for `data.path=x`, and the same for all keys of groups whose options have different keys.

    Hydra knows only the keys in the file of the chosen option. With `++` it takes the others too. Then plug-ins get
    them, and `to_values` can name the option of a key.
    """
    keys = [key for key in settings() if key.partition(".")[0] in OPTIONS]
    return [f"++{word}" if word.partition("=")[0] in keys else word for word in overrides]


def quoted(overrides: Sequence[str], multirun: bool = False) -> list[str]:
    """Put quotes around texts that Hydra's grammar cannot read: `name=a (1)` becomes `name='a (1)'`.

    Hydra gives meaning to `=`, `(`, `,`, `[`, `{`, `#` and quotes, and knows no letters outside ASCII. A text setting
    has no other meaning for them. A comma separates the points of a sweep only with `multirun`.
    """
    return [_quoted(word, multirun) for word in overrides]


def _quoted(word: str, multirun: bool) -> str:
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    key, mark, value = word.partition("=")
    if not mark or key.lstrip("+") not in _texts():
        return word
    try:
        parsed = OverridesParser.create().parse_override(word)
        if parsed.is_sweep_override():
            readable = multirun or not parsed.is_choice_sweep()
        else:
            readable = not isinstance(parsed.value(), list | dict)
    except HydraException:
        readable = False
    if readable:
        return word
    inside = re.sub(r"(\\*)'", r"\1\1\\'", value)  # a backslash counts only before a quote
    inside += inside[len(inside.rstrip("\\")) :]
    return f"{key}='{inside}'"


@cache
def _texts() -> frozenset[str]:
    """Return the keys of settings that are a text."""
    return frozenset(
        key for key, fields in settings().items() if any(str(one.type).startswith("str") for one in fields.values())
    )
