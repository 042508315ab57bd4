"""The address in what a person pastes: in quotes, behind `export NAME=` or `ganns join`, or as options of psql."""

from __future__ import annotations

import re
import shlex

from psycopg import pq
from psycopg.conninfo import make_conninfo

from ganns.errors import ConfigError

QUOTES = "\"'`\u201c\u201d\u2018\u2019"
_BEFORE = re.compile(r"(?:[$>]\s+|export\s+|set\s+|\w+_URL\s*=\s*|ganns\s+join\s+|psql\s+)+")
_BEHIND = re.compile(r"\s*[;&]*\s+ganns\s+[a-z]+\b.*$", re.DOTALL)
_PSQL = re.compile(rf"(?:PG[A-Z]+=(?:'[^']*'|\"[^\"]*\"|\S*)\s+)*psql\s+(?![{QUOTES}]?(?:\w+\s*=|[\w+]+://))")
_SCHEME = re.compile(r"[\w+]+://")
OPTIONS = {"-h": "host", "-p": "port", "-U": "user", "-d": "dbname"}
LONG_OPTIONS = {"--host": "host", "--port": "port", "--username": "user", "--dbname": "dbname"}
FLAGS = {"-W", "-w", "--password", "--no-password"}


def unwrap(text: str, source: str) -> str:
    """Return the address in a line of a shell or of a mail, as a URL or as `key=value`.

    Raises:
        ConfigError: for an option of psql that says more than where the database is.
    """
    text = text.strip()
    if _PSQL.match(text):
        text = _of_psql(text, source)
    text = _BEFORE.sub("", text, count=1) if _BEFORE.match(text) else text
    if text[:1] and text[0] in QUOTES:
        text = _inside_quotes(text)
    elif not re.match(r"\w+\s*=", text) and not _SCHEME.match(text):
        quoted = re.search(rf"[{QUOTES}]\s*([\w+]+://[^{QUOTES}]*)", text)
        bare = re.search(r"[\w+]+://\S*", text)
        text = (quoted[1] if quoted else bare[0] if bare else text).strip()
    text = _BEHIND.sub("", text)
    if not _SCHEME.match(text):
        return text
    return re.sub(r"\s*[\r\n]+\s*", "", text)  # a mail program may have broken a long line


def _inside_quotes(text: str) -> str:
    """Return what is between the first quote and its partner, before the next word or the end."""
    closing = re.escape(text[0]) if text[0] in "\"'`" else QUOTES
    found = re.match(rf".\s*(.*?)\s*[{closing}](?=\s|$)", text, re.DOTALL)
    return found[1] if found else text.strip(QUOTES + " ")


def _of_psql(line: str, source: str) -> str:
    """Return the connection string that psql would use: its options, and the PG* variables before its name."""
    variables = {one.envvar.decode(): one.keyword.decode() for one in pq.Conninfo.get_defaults() if one.envvar}
    parts: dict[str, str] = {}
    try:
        words = shlex.split(line)
    except ValueError:
        raise ConfigError(f"The database address ({source}) has a quote without its partner.") from None
    while words and words[0] != "psql":
        name, _, value = words.pop(0).partition("=")
        if name in variables:
            parts[variables[name]] = value
    names = ["dbname", "user"]  # what words without a dash mean, in this order
    words = words[1:]
    while words:
        word = words.pop(0)
        long, _, value = word.partition("=")
        option = OPTIONS.get(word[:2]) or LONG_OPTIONS.get(long)
        if word in FLAGS:
            continue
        if option is None and (word.startswith("-") or not names):
            said = long if word.startswith("--") else word[:2] if word.startswith("-") else "a third name"
            raise ConfigError(
                f"The database address ({source}) has {said} behind psql, which names no server: leave it out."
            )
        if option is None:
            parts.setdefault(names.pop(0), word)
        elif word.startswith("--"):
            parts[option] = value if "=" in word else next(iter(words[:1]), "")
            words = words if "=" in word else words[1:]
        else:
            parts[option] = word[2:] or next(iter(words[:1]), "")
            words = words if word[2:] else words[1:]
    if _SCHEME.match(parts.get("dbname", "")):
        return parts["dbname"]
    return make_conninfo("", **parts)
