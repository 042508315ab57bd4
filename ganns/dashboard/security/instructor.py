"""What a request must bring along. Each order is looked at when it comes, whatever its page was."""

from __future__ import annotations

import secrets
from typing import Annotated

from fastapi import Depends, HTTPException, Request
from nicegui import ui

from ganns.dashboard.security.sessions import Session, same

ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without what looks alike on a projector."""
CSRF_HEADER = "x-csrf-token"


def session_of(request: Request) -> Session | None:
    """Return the session that the guard found for this request."""
    found = getattr(request.state, "session", None)
    return found if isinstance(found, Session) else None


def page_session() -> Session | None:
    """Return the session of the page that is being built."""
    return session_of(ui.context.client.request)


def require_session(request: Request) -> Session:
    """Return the session, for what an instructor may see.

    Raises:
        HTTPException: 401 without one.
    """
    session = session_of(request)
    if session is None:
        raise HTTPException(401, "Nobody is logged in here (any more): log in, and try again.")
    return session


def require_order(request: Request, session: Annotated[Session, Depends(require_session)]) -> Session:
    """Return the session, for what an instructor may do. That the request came from our own page was checked before.

    Raises:
        HTTPException: 401 without a session; 403 without its token.
    """
    if not same(request.headers.get(CSRF_HEADER, ""), session.csrf):
        raise HTTPException(403, "This page is of another session: load it again, and try again.")
    return session


Watching = Annotated[Session, Depends(require_session)]
Ordering = Annotated[Session, Depends(require_order)]


def make_password() -> str:
    """Return a random password of 79 bits that can be read aloud."""
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(4)) for _ in range(4))
