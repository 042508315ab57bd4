"""Every run: `/runs`."""

from __future__ import annotations

from nicegui import ui

from ganns.dashboard.components.runs import Runs
from ganns.dashboard.dashboard import Dashboard
from ganns.dashboard.frame import frame, text


def register(_: Dashboard) -> None:
    """Serve `/runs`; what it shows comes through the page's WebSocket."""

    @ui.page("/runs")
    async def runs() -> None:
        with frame("Runs", "/runs", live="runs=1"):
            text("h1", "Runs")
            Runs()
