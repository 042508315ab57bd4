"""Split SQL into statements, as psql does: at each semicolon that is not in a string, a name, a body or a comment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

TOKEN = re.compile(
    r"""
    (?P<comment>--[^\n]*|/\*.*?\*/)
    | (?P<body>\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)
    | (?P<text>[eE]'(?:[^'\\]|''|\\.)*'|'(?:[^']|'')*')
    | (?P<name>"(?:[^"]|"")*")
    | (?P<gset>\\gset\b)
    | (?P<wait>\\wait\b(?:[ \t]+(?P<limit>\d+))?)
    | (?P<include>\\i[ \t]+(?P<file>[^\s;]+))
    | (?P<end>;)
    | (?P<cast>::)
    | :(?P<variable>[a-z_]\w*)
    | (?P<space>\s+)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class Statement:
    r"""One statement of a session.

    `kind` is "sql"; or "wait", for a notification, at most `limit_s` seconds; or "include", a file with the name
    `text`. With `keeps`, its one row becomes variables, as with psql's \gset.
    """

    text: str
    line: int  # of the file, where it begins
    note: str = ""  # the comment lines right above it
    kind: str = "sql"
    keeps: bool = False
    limit_s: int | None = None

    @property
    def command(self) -> str:
        """The first word, in capital letters: "BEGIN"."""
        found = re.match(r"\s*(\w+)", self.text)
        return found[1].upper() if found else ""


def split(text: str, first_line: int = 1) -> list[Statement]:
    r"""Return the statements of a text.

    Args:
        text: SQL; `\gset` ends a statement, as a semicolon does, and keeps its row.
        first_line: the number of the text's first line in its file.

    Raises:
        ValueError: the last statement has no end, or a backslash command is unknown; the message names the line.
    """
    found: list[Statement] = []
    words: list[str] = []
    notes: list[str] = []
    line, begun = first_line, first_line
    for token in TOKEN.finditer(text):
        kind, content = token.lastgroup, token[0]
        if token["comment"] and not words:
            notes.append(content.strip("-/* \n"))
        elif token["end"] or token["gset"]:
            if words:
                found.append(Statement("".join(words).strip(), begun, " ".join(notes), keeps=bool(token["gset"])))
            words, notes = [], []
        elif token["wait"] and not words:
            limit_s = int(token["limit"]) if token["limit"] else None
            text_of_it = "wait for a notification" + (f", at most {limit_s} s" if limit_s else "")
            found.append(Statement(text_of_it, line, " ".join(notes), kind="wait", limit_s=limit_s))
            notes = []
        elif token["include"] and not words:
            found.append(Statement(token["file"], line, kind="include"))
        elif content == "\\":
            raise ValueError(f"line {line}: this backslash command is unknown; \\gset, \\wait and \\i are known")
        elif kind == "space" and not words:
            if content.count("\n") > 1:  # a comment above an empty line belongs to no statement
                notes = []
        elif token["comment"] is None:
            if not words:
                begun = line
            words.append(content)
        line += content.count("\n")
    if "".join(words).strip():
        raise ValueError(f"line {begun}: this statement has no end; add a semicolon")
    return found


def variables_of(text: str) -> list[str]:
    """Return the names of the variables in a statement: `:n`, but not in a string, and not the type in `n::text`."""
    return [token["variable"] for token in TOKEN.finditer(text) if token["variable"]]


def insert(text: str, values: Mapping[str, str | None]) -> str:
    """Return the statement with its variables as literals; a variable without a value is NULL.

    Raises:
        KeyError: there is no such variable.
    """
    found = []
    for token in TOKEN.finditer(text):
        found.append(_literal(values[token["variable"]]) if token["variable"] else token[0])
    return "".join(found)


def _literal(value: str | None) -> str:
    if value is None:
        return "NULL"
    return value if re.fullmatch(r"\d+", value) else "'" + value.replace("'", "''") + "'"
