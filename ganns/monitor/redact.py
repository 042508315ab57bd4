"""Hide private parts of a configuration: logins in addresses, and the folders of a machine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PureWindowsPath
from typing import Any

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
