"""Text of other people, for a terminal, a log or a page: it is short, and a terminal obeys nothing in it.

A worker chooses its name; a task chooses its error's text. In such a text, ESC and the other control characters move
the cursor, clear the screen or rename the window; bidirectional controls let a line read as another one; and one
message of 50 MB scrolls all others away.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
import traceback
from types import TracebackType
from typing import Any

MAX_LENGTH = 2000
"""In characters: enough for a traceback, and less than a screen or two."""

_BREAKS = frozenset("\n\t")
_CR = re.compile(r"\r\n?")


def printable(value: object, length: int = MAX_LENGTH, *, lines: bool = False) -> str:
    """Return `value` as text of at most about `length` characters, with question marks for control characters.

    Args:
        value: a text, or something with a text, such as an exception.
        length: the middle of a longer text is left out, and the text says so.
        lines: keep line breaks and tabs; otherwise they become question marks too, and the text is one line.
    """
    text = _shortened(_text_of(value), length)
    if text.isprintable():
        return text
    if lines:
        text = _CR.sub("\n", text)
    return "".join(one if one.isprintable() or (lines and one in _BREAKS) else _replaced(one) for one in text)


def _text_of(value: object) -> str:
    try:
        return str(value)
    except Exception as error:  # an exception of other people's code
        return f"<{type(value).__name__} without a text: {type(error).__name__}>"


def _shortened(text: str, length: int) -> str:
    if len(text) <= length:
        return text
    # The end stays too: it is where a traceback says what happened.
    begin, end = text[: length - length // 3], text[len(text) - length // 3 :]
    return f"{begin} ... ({len(text) - len(begin) - len(end):,} characters left out) ... {end}"


def _replaced(one: str) -> str:
    return " " if one.isspace() and ord(one) >= 0xA0 else "?"  # other spaces, such as the non-breaking one


class PrintableRecord(logging.LogRecord):
    """A record of a log whose message and traceback are printable."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Format the traceback now: a formatter takes `exc_text` if there is one."""
        super().__init__(*args, **kwargs)
        if self.exc_info and self.exc_info[1] is not None:
            self.exc_text = _traceback(self.exc_info[1])

    def getMessage(self) -> str:
        """Return the message."""
        return printable(super().getMessage(), lines=True)


def keep_logs_printable() -> None:
    """Make all later log records of this process printable, and the tracebacks of errors that nothing catches."""
    logging.setLogRecordFactory(PrintableRecord)
    sys.excepthook = _show
    threading.excepthook = lambda args: None if args.exc_value is None else _show(args.exc_type, args.exc_value, None)


def _traceback(error: BaseException) -> str:
    return printable("".join(traceback.format_exception(error)).rstrip("\n"), 10 * MAX_LENGTH, lines=True)


def _show(kind: type[BaseException], error: BaseException, _: TracebackType | None) -> None:
    if not issubclass(kind, SystemExit):
        print(_traceback(error), file=sys.stderr)
