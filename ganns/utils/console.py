"""A console for wide tables, and counts in words."""

from __future__ import annotations

import sys

from rich.console import Console


def wide_console() -> Console:
    """Return a console as wide as the terminal; in a pipe it is wide enough for every column."""
    return Console(soft_wrap=True) if sys.stdout.isatty() else Console(soft_wrap=True, width=160)


def plural(num: int, what: str) -> str:
    """Return a count in words: "1 worker", "2 workers"."""
    return f"{num:,} {what}{'' if num == 1 else 's'}"
