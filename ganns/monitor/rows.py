"""Rows of the database as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any


def plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with its times as seconds since 1970."""
    return {key: value.timestamp() if isinstance(value, datetime) else value for key, value in row.items()}
