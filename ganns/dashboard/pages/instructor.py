"""The instructor's page, `/control`: pause, resume and stop runs, change their quorum, drain workers."""

from __future__ import annotations

from fastapi import Response
from fastapi.responses import RedirectResponse
from nicegui import ui

from ganns.dashboard.api.orders import MAY_ONLY_READ, may_order
from ganns.dashboard.components.instructor import Controls
from ganns.dashboard.context import Dashboard
from ganns.dashboard.frame import frame, text
from ganns.dashboard.security.instructor import page_session


def register(dashboard: Dashboard, *, lab: bool) -> None:
    """Serve `/control`, with a link to the failure lab if there is one."""

    @ui.page("/control")
    async def control() -> Response | None:
        session = page_session()
        if session is None:
            return RedirectResponse("/login", 303)
        may = await may_order(dashboard)
        with frame("Instructor", "/control", live="runs=1&people=0"):
            with ui.element("div").classes("head"):
                text("h1", "Instructor")
                if lab:
                    text("a", "Failure lab").props('href="/lab"').classes("button")
                log_out(session.csrf)
            if not may:
                text("p", MAY_ONLY_READ).classes("card wrong").props('role="alert"')
            Controls(session.csrf, may=may)
        return None


def log_out(csrf: str) -> None:
    """Place the button that ends the session."""
    with ui.element("form").props('method="post" action="/logout"'):
        ui.element("input").props(f'type="hidden" name="csrf" value="{csrf}"')
        text("button", "Log out").props('type="submit"')
