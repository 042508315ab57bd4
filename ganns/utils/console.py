"""Consoles that print foreign text safely, a console for wide tables, and counts in words."""

from __future__ import annotations

import io
import json
import math
import sys
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from ganns.utils.printable import MAX_LENGTH, printable


class SafeConsole(Console):
    """A console that prints question marks for control characters in what it is given: see `ganns.utils.printable`."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render to segments; rich's own control segments stay as they are."""
        for segment in super().render(renderable, options):
            text, style, control = segment
            if control or text == "\n" or text.isprintable():
                yield segment
            else:
                yield Segment(printable(text, len(text), lines=True), style)


def print_any_text() -> None:
    r"""Let stdout and stderr take any text: where a terminal's encoding has no such letter, `\u5f20` is printed."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(text: object = "", *, nl: bool = True, err: bool = False) -> None:
    """Print a line of a command on stdout; with `err` on stderr, where it mixes with no output for other programs."""
    typer.echo(printable(text, 100 * MAX_LENGTH, lines=True), nl=nl, err=err)


Json = Annotated[bool, typer.Option("--json", help="Print JSON for another program instead of a table.")]
"""The option of each command that lists something."""


def say_json(value: Any) -> None:
    """Print a value as JSON, for programs: ASCII, so that no terminal changes it; times as in ISO 8601; NaN as null."""
    typer.echo(json.dumps(for_json(value), indent=2, allow_nan=False))


def for_json(value: Any) -> Any:
    """Return a value as JSON has it: NaN and infinity as null, what JSON does not know as text."""
    if isinstance(value, Mapping):
        return {str(key): for_json(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [for_json(one) for one in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def cells(*values: Any) -> list[Text]:
    """Return the cells of a table's row: short, and as text, because square brackets would be markup."""
    return [Text(printable(value, 200)) for value in values]


def wide_console() -> Console:
    """Return a console as wide as the terminal; in a pipe it is wide enough for every column."""
    return SafeConsole(soft_wrap=True) if sys.stdout.isatty() else SafeConsole(soft_wrap=True, width=160)


def plural(num: int, what: str) -> str:
    """Return a count in words: "1 worker", "2 workers"."""
    return f"{num:,} {what}{'' if num == 1 else 's'}"
