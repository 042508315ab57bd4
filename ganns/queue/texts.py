"""Texts of errors in a form that the database can store, whatever the task raised."""

from __future__ import annotations

import traceback

LINE_CHARS = 1000
TRACEBACK_CHARS = 20_000


def storable(text: str) -> str:
    """Return `text` without what PostgreSQL cannot store: NUL, and half a surrogate pair (a byte of a file's name)."""
    return text.replace("\0", "\\0").encode(errors="backslashreplace").decode()


def message_of(error: BaseException) -> str:
    """Return the error's message; its `__str__` may itself raise an error."""
    try:
        return str(error)
    except Exception as broken:
        return f"<its message cannot be read: {type(broken).__name__}>"


def line_of(error: BaseException) -> str:
    """Return an error as one line, "type: message"."""
    return storable(f"{type(error).__name__}: {message_of(error)}")[:LINE_CHARS]


def traceback_of(error: BaseException) -> str:
    """Return the end of the error's traceback."""
    try:
        text = storable("".join(traceback.format_exception(error)))
    except Exception:  # an error whose attributes raise errors
        text = line_of(error)
    return text if len(text) <= TRACEBACK_CHARS else f"...\n{text[-TRACEBACK_CHARS:]}"
