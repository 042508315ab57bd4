"""Take out of a configuration what is nobody's business: logins in addresses, and where a machine keeps its files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PureWindowsPath
from typing import Any

_LOGIN = re.compile(r"(?<=://)[^/@\s]*@")
_PATH = re.compile(r"[/~]|[A-Za-z]:[/\\]")
_QUERY = re.compile(r"\?[^\s#]*")  # a signed address carries its signature there


def redact(value: Any) -> Any:
    """Return `value`, mappings and lists included, with the logins and queries of its addresses hidden.

    Of a path its last part is left.
    """
    if isinstance(value, Mapping):
        return {key: redact(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [redact(one) for one in value]
    if isinstance(value, str) and "://" in value:
        return _QUERY.sub("?...", _LOGIN.sub("...@", value))
    if isinstance(value, str) and _PATH.match(value):
        return f".../{PureWindowsPath(value).name}"  # it knows both kinds of separators
    return value
