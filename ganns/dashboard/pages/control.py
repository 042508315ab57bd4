"""The instructor's page: pause, resume and stop runs, change their quorum, drain workers."""

from __future__ import annotations

import logging

import psycopg
from fastapi import Response
from fastapi.responses import RedirectResponse
from nicegui import ui

from ganns.dashboard.components.control import Controls
from ganns.dashboard.dashboard import Dashboard
from ganns.dashboard.frame import frame, text
from ganns.dashboard.orders import MAY_ONLY_LOOK
from ganns.dashboard.security.instructor import page_session
from ganns.errors import DatabaseUnreachable
from ganns.store.control import may_control

log = logging.getLogger(__name__)


def register(dashboard: Dashboard) -> None:
    """Serve `/control`."""

    @ui.page("/control")
    async def control() -> Response | None:
        session = page_session()
        if session is None:
            return RedirectResponse("/login", 303)
        try:
            may = await dashboard.write(may_control)
        except (psycopg.Error, DatabaseUnreachable):
            may = True  # an order says what is wrong then
        with frame("Instructor", "/control", live="runs=1&people=0"):
            with ui.element("div").classes("head"):
                text("h1", "Instructor")
                log_out(session.csrf)
            if not may:
                text("p", MAY_ONLY_LOOK).classes("card wrong").props('role="alert"')
            Controls(session.csrf, may=may)
        return None


def log_out(csrf: str) -> None:
    """Place the button that ends the session."""
    with ui.element("form").props('method="post" action="/logout"'):
        ui.element("input").props(f'type="hidden" name="csrf" value="{csrf}"')
        text("button", "Log out").props('type="submit"')
