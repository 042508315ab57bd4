"""A console for tables, and how things are counted."""

from __future__ import annotations

import sys

from rich.console import Console


def wide_console() -> Console:
    """Return a console as wide as the terminal, and in a pipe wide enough that no column is cut off."""
    return Console(soft_wrap=True) if sys.stdout.isatty() else Console(soft_wrap=True, width=160)


def plural(num: int, what: str) -> str:
    """Return "1 worker", "2 workers"."""
    return f"{num:,} {what}{'' if num == 1 else 's'}"
