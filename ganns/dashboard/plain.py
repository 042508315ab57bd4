"""Pages without scripts: the login and error messages. They work in every browser.

Also the style sheet of all pages: one file, whose name changes with its content.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Coroutine
from html import escape
from pathlib import Path
from typing import Any

from fastapi import HTTPException, Response
from fastapi.responses import HTMLResponse
from nicegui import app

from ganns.dashboard import policy

Answer = Callable[..., Coroutine[Any, Any, None]]
STATIC = Path(__file__).parent / "static"
LOOK = "\n".join(sheet.read_text(encoding="utf-8") for sheet in sorted(STATIC.glob("*.css")))
LOOK_NAME = f"look-{hashlib.sha256(LOOK.encode()).hexdigest()[:12]}.css"
STYLES = f'<link rel="stylesheet" href="/{LOOK_NAME}">'


def register(_: object) -> None:
    """Serve the style sheet."""

    @app.get("/look-{digest}.css")
    def look(digest: str) -> Response:
        if f"look-{digest}.css" != LOOK_NAME:  # it belongs to another version of the dashboard
            raise HTTPException(404, "This style sheet is out of date: load the page again.")
        return Response(LOOK, media_type="text/css", headers={"Cache-Control": "public, max-age=31536000, immutable"})


def page(title: str, content: str, status: int = 200, headers: dict[str, str] | None = None) -> HTMLResponse:
    """Return a page.

    Args:
        title: as text.
        content: as HTML; the caller escapes foreign text.
        status: the HTTP status.
        headers: more HTTP headers.
    """
    html = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(title)} · GANNs with friends</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">{STYLES}</head>
<body class="plain"><header class="top"><a href="/" class="brand">GANNs with friends</a></header>
<main id="main">{content}</main></body></html>"""
    return HTMLResponse(
        html, status, {"Content-Security-Policy": policy.PLAIN, "Cache-Control": "no-store", **(headers or {})}
    )


class Missing(HTTPException):
    """A page about something that does not exist: status 404, with a title and the next step."""

    def __init__(self, what: str, to_do: str) -> None:
        """Answer with `what` as the title of the page, and `to_do` below it."""
        super().__init__(404, to_do)
        self.what = what


def problem(status: int, what: str, to_do: str, headers: dict[str, str] | None = None) -> HTMLResponse:
    """Return a page with the problem as its title and the next step below."""
    content = f"""<section class="card empty"><h1>{escape(what)}</h1><p>{escape(to_do)}</p>
<p><a href="/">Go to the run that is being trained</a></p></section>"""
    return page(what, content, status, headers)
