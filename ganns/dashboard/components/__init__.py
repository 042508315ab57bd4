"""What moves on a page. Each is a Vue component in JavaScript, and the NiceGUI element that places it from Python.

All of them take what they show from `live/index.js`, which holds the page's one WebSocket:

    import { on } from "ganns-live";
    on("run", (run) => ...)      // called with the newest message of this type, now and whenever there is one
"""

from __future__ import annotations

from pathlib import Path

from nicegui.element import Element

HERE = Path(__file__).parent
LIVE = {"ganns-live": "live"}


class Live(Element, component="live.js", esm=LIVE):
    """Opens the page's WebSocket; place it once."""

    def __init__(self, query: str) -> None:
        """Watch what `query` says, as in `/live?<query>`."""
        super().__init__()
        self._props["query"] = query


class Trouble(Element, component="trouble.js", esm=LIVE):
    """A line that is there while the dashboard cannot reach the database, or the browser the dashboard."""


class Theme(Element, component="theme.js"):
    """A button: dark, light, or as the system has it."""


class Figure(Element, component="figure.js", esm=LIVE):
    """One number of a message, large, with its name below."""

    def __init__(self, label: str, of: str, path: str, *, format: str = "number") -> None:
        """Show `path` ("images_per_s") of the newest message of type `of` ("run").

        `format` is one of those in `live/format.js`: number, seconds, percent, bytes, text.
        """
        super().__init__()
        self._props |= {"label": label, "of": of, "path": path, "format": format}
