"""The moving parts of a page. Each is a Vue component in JavaScript, and a NiceGUI element that places it from Python.

`lib/` has their common code; its files are imported as "ganns/...". All data comes through the page's one WebSocket:

    import { on } from "ganns/live.js";
    on("run", (run) => ...)      // called with the newest message of this type, now and after each change
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nicegui
from nicegui.element import Element

ECHARTS = str(Path(nicegui.__file__).parent / "elements" / "echart" / "dist")  # Apache ECharts


class Component(Element, esm={"ganns": "lib", "nicegui-echart": ECHARTS}):
    """An element that is a Vue component of ours."""

    def __init__(self, **props: Any) -> None:
        """Pass `props` to the Vue component."""
        super().__init__()
        self._props |= props


class Header(Component, component="page_header.js"):
    """The head of every page: links (placed inside), the theme button, and a warning when the connection is lost."""

    def __init__(self, query: str) -> None:
        """Open the page's WebSocket for `query`, as in `/live?<query>`; without a query there is none."""
        super().__init__(query=query)


class Copyable(Component, component="copyable.js"):
    """A command with a button that copies it."""

    def __init__(self, text: str) -> None:
        """Show `text`, one line or several."""
        super().__init__(text=text)


class NewRun(Component, component="new_run.js"):
    """A link to a run that began after the page was opened."""

    def __init__(self, run: int | None, *, follow: bool, page: str = "/run/") -> None:
        """Wait for a run that is newer than `run`, or for any if it is None.

        Args:
            run: the run that the page shows.
            follow: load the page again when `run` is over, so that it shows the new run.
            page: where the link leads, up to the run's number.
        """
        super().__init__(run=run, follow=follow, page=page)
