"""The settings of runs as viewers may see them: without logins and folders, and as a table of the differences."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PureWindowsPath
from typing import Any

from ganns.config_diff import differing, flat, shown_in

_LOGIN = re.compile(r"(?<=://)[^/@\s]*@")
_PATH = re.compile(r"[/~]|[A-Za-z]:[/\\]")
_QUERY = re.compile(r"\?[^\s#]*")  # a signed address carries its signature there


def redact(value: Any) -> Any:
    """Return a copy of `value` in which addresses show no login and no query, and paths only their last part.

    Mappings and lists are copied with their content.
    """
    if isinstance(value, Mapping):
        return {key: redact(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [redact(one) for one in value]
    if isinstance(value, str) and "://" in value:
        return _QUERY.sub("?...", _LOGIN.sub("...@", value))
    if isinstance(value, str) and _PATH.match(value):
        return f".../{PureWindowsPath(value).name}"  # accepts both kinds of separators
    return value


def table(configs: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[str]]]:
    """Return (key, its value in each run) for each setting that is not the same in all runs; values as they are typed.

    Args:
        configs: the configurations that are stored with the runs.
    """
    settings = [flat(redact(config)) for config in configs]
    return [(key, [shown_in(one, key) for one in settings]) for key in differing(settings) if key != "name"]
