"""Take secrets out of a configuration before anybody sees it: a data set's address may carry a login."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_LOGIN = re.compile(r"(?<=://)[^/@\s]*@")
_QUERY = re.compile(r"\?[^\s#]*")  # a signed address carries its signature there


def redact(value: Any) -> Any:
    """Return `value`, mappings and lists included, with the logins and queries of its addresses hidden."""
    if isinstance(value, Mapping):
        return {key: redact(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [redact(one) for one in value]
    if isinstance(value, str) and "://" in value:
        return _QUERY.sub("?...", _LOGIN.sub("...@", value))
    return value
