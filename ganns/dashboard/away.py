"""What a page says when it cannot be built, because the database does not answer."""

from __future__ import annotations

import logging

import psycopg
from fastapi import Request, Response
from nicegui import Client, app, ui
from psycopg_pool import PoolTimeout

from ganns.dashboard.dashboard import Dashboard
from ganns.dashboard.frame import frame, text
from ganns.errors import DatabaseUnreachable

TRY_AGAIN_S = 5
log = logging.getLogger(__name__)


def register(dashboard: Dashboard) -> None:
    """Answer with a page of ours, wherever a question to the database fails."""
    for kind in (psycopg.Error, PoolTimeout, DatabaseUnreachable):
        app.add_exception_handler(kind, _answer)


async def _answer(request: Request, error: Exception) -> Response:
    log.warning("%s could not be shown: %s", request.url.path, type(error).__name__)
    with Client(ui.page(""), request=request) as client:
        ui.add_head_html(f'<meta http-equiv="refresh" content="{TRY_AGAIN_S}">')
        with frame("The database does not answer", ""), ui.element("section").classes("card empty"):
            text("h1", "The database does not answer")
            text("p", f"This page tries again by itself, every {TRY_AGAIN_S} seconds.")
            text("p", "The training takes care of itself: it goes on when the database is back.")
            text("p", "Whoever runs the dashboard can look whether the database is there:")
            text("pre", "ganns db status")
    response = client.build_response(request, 503)
    response.headers["Retry-After"] = str(TRY_AGAIN_S)
    return response
