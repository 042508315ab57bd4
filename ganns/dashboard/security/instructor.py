"""The checks of an instructor's request: session and token. Each order is checked, not only its page."""

from __future__ import annotations

import secrets
from typing import Annotated

from fastapi import Depends, HTTPException, Request
from nicegui import ui

from ganns.dashboard.security.sessions import WebSession, same

ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without letters and digits that look alike on a projector."""
CSRF_HEADER = "x-csrf-token"


def session_of(request: Request) -> WebSession | None:
    """Return the session that the guard found for this request."""
    found = getattr(request.state, "session", None)
    return found if isinstance(found, WebSession) else None


def page_session() -> WebSession | None:
    """Return the session of the page that is being built."""
    return session_of(ui.context.client.request)


def require_session(request: Request) -> WebSession:
    """Return the session of a request that only instructors may send.

    Raises:
        HTTPException: 401 without a session.
    """
    session = session_of(request)
    if session is None:
        raise HTTPException(401, "You are not logged in, or the session has ended: log in, and try again.")
    return session


def require_order(request: Request, session: Annotated[WebSession, Depends(require_session)]) -> WebSession:
    """Return the session of an order. The guard has checked its origin before.

    Raises:
        HTTPException: 401 without a session; 403 without its token.
    """
    if not same(request.headers.get(CSRF_HEADER, ""), session.csrf):
        raise HTTPException(403, "This page belongs to another session: load it again, and try again.")
    return session


Watching = Annotated[WebSession, Depends(require_session)]
Ordering = Annotated[WebSession, Depends(require_order)]


def make_password() -> str:
    """Return a random password of 79 bits that can be read aloud."""
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(4)) for _ in range(4))
