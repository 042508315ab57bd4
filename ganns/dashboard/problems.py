"""What is said where there is nothing, or where something went wrong that nobody thought of."""

from __future__ import annotations

import psycopg
from fastapi import HTTPException, Request, Response
from fastapi.exception_handlers import http_exception_handler, request_validation_exception_handler
from fastapi.exceptions import RequestValidationError
from nicegui import app
from starlette.exceptions import HTTPException as StarletteHTTPException

from ganns.dashboard import plain


def register(_: object) -> None:
    """Answer with words of ours, instead of the framework's."""
    app.add_exception_handler(404, _not_found)
    app.add_exception_handler(psycopg.DataError, _not_found)  # a name or number that PostgreSQL cannot even look for
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _raise)  # the guard's answer


async def _not_found(request: Request, error: Exception) -> Response:
    if not _is_page(request) and isinstance(error, StarletteHTTPException):
        return await http_exception_handler(request, error)
    said = error.detail if isinstance(error, HTTPException) and error.detail != "Not Found" else ""
    return plain.problem(404, "There is no such page", said or "Perhaps what it showed was deleted.")


async def _invalid(request: Request, error: Exception) -> Response:
    if _is_page(request):
        return plain.problem(404, "There is no such page", "A number in its address is none, or too large.")
    assert isinstance(error, RequestValidationError)
    return await request_validation_exception_handler(request, error)


async def _raise(_: Request, error: Exception) -> Response:
    raise error


def _is_page(request: Request) -> bool:
    """Tell whether a person asked: a browser that goes to an address wants HTML."""
    return "text/html" in request.headers.get("accept", "")
