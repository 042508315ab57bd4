"""A console for tables."""

from __future__ import annotations

import sys

from rich.console import Console


def wide_console() -> Console:
    """Return a console as wide as the terminal, and in a pipe wide enough that no column is cut off."""
    return Console(soft_wrap=True) if sys.stdout.isatty() else Console(soft_wrap=True, width=160)
