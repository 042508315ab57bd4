"""Pages for errors: unknown addresses, a database that does not answer, and faults of the dashboard."""

from __future__ import annotations

import logging

import psycopg
from fastapi import HTTPException, Request, Response
from fastapi.exception_handlers import http_exception_handler, request_validation_exception_handler
from fastapi.exceptions import RequestValidationError
from nicegui import Client, app, ui
from psycopg_pool import PoolTimeout
from starlette.exceptions import HTTPException as StarletteHTTPException

from ganns.dashboard import plain
from ganns.dashboard.frame import frame, text
from ganns.errors import DatabaseUnreachable

TRY_AGAIN_S = 5
log = logging.getLogger(__name__)


def register(_: object) -> None:
    """Answer errors with our own pages instead of the framework's."""
    app.add_exception_handler(404, _not_found)
    for kind in (psycopg.Error, PoolTimeout, DatabaseUnreachable):
        app.add_exception_handler(kind, _no_database)
    app.add_exception_handler(psycopg.DataError, _not_found)  # PostgreSQL cannot search for such a name or number
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _raise)  # the guard answers


async def _not_found(request: Request, error: Exception) -> Response:
    if not _is_page(request) and isinstance(error, StarletteHTTPException):
        return await http_exception_handler(request, error)
    if isinstance(error, plain.Missing):
        return plain.problem(404, error.what, error.detail)
    said = error.detail if isinstance(error, HTTPException) and error.detail != "Not Found" else ""
    return plain.problem(404, "There is no such page", said or "Its content may have been deleted.")


async def _no_database(request: Request, error: Exception) -> Response:
    """Return a page that loads itself again, until the database answers."""
    log.warning("%s could not be shown: %s", request.url.path, type(error).__name__)
    with Client(ui.page(""), request=request) as client:
        ui.add_head_html(f'<meta http-equiv="refresh" content="{TRY_AGAIN_S}">')
        with frame("The database does not answer", ""), ui.element("section").classes("card empty"):
            text("h1", "The database does not answer")
            text("p", f"This page tries again every {TRY_AGAIN_S} seconds.")
            text("p", "The training continues by itself when the database is back.")
            text("p", "If you run the dashboard, check the database with:")
            text("pre", "ganns db status")
    response = client.build_response(request, 503)
    response.headers["Retry-After"] = str(TRY_AGAIN_S)
    return response


async def _invalid(request: Request, error: Exception) -> Response:
    if _is_page(request):
        return plain.problem(404, "There is no such page", "The address needs a number, and this one is not valid.")
    assert isinstance(error, RequestValidationError)
    return await request_validation_exception_handler(request, error)


async def _raise(_: Request, error: Exception) -> Response:
    raise error


def _is_page(request: Request) -> bool:
    """Return whether a person opened this address: their browser asks for HTML."""
    return "text/html" in request.headers.get("accept", "")
