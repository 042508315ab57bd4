"""Login sessions.

A session is a random number of 256 bits in a cookie. It needs no signature: it is valid as long as the server has its
digest. So logging out ends a session in every browser that has the cookie, and all sessions end with the dashboard.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass, field

VALID_S = 12 * 3600.0
MAX_SESSIONS = 50
"""With more sessions, the oldest ends."""


@dataclass(frozen=True)
class WebSession:
    """An instructor who is logged in."""

    until: float
    """In seconds of the monotonic clock."""
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    """The token that our own pages know and a foreign page does not."""


class WebSessions:
    """The instructor's password, and the sessions that were opened with it. One event loop uses this object."""

    def __init__(self, password: str) -> None:
        """Store the password's digest, not the password."""
        self._password = _digest(password)
        self._secret = secrets.token_bytes(32)
        self._sessions: dict[bytes, WebSession] = {}

    def log_in(self, password: str) -> str | None:
        """Return the token of a new session, or None if the password is wrong.

        The time of the comparison says nothing about the password: it always compares whole digests of one length.
        """
        if not hmac.compare_digest(_digest(password), self._password):
            return None
        token = secrets.token_urlsafe(32)
        while len(self._sessions) >= MAX_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        self._sessions[_digest(token)] = WebSession(time.monotonic() + VALID_S)
        return token

    def find(self, token: str | None) -> WebSession | None:
        """Return the session of a token, or None if there is none."""
        session = self._sessions.get(_digest(token)) if token else None
        if session is None or token is None:
            return None
        if session.until <= time.monotonic():
            self.end(token)
            return None
        return session

    def end(self, token: str | None) -> None:
        """Log out."""
        if token:
            self._sessions.pop(_digest(token), None)

    def form_token(self, nonce: str) -> str:
        """Return the token of a login form for a browser with the cookie `nonce`; the server need not store it."""
        return hmac.new(self._secret, nonce.encode(), hashlib.sha256).hexdigest()

    def is_form_token(self, nonce: str, token: str) -> bool:
        """Return whether a login form came from our own page, in the browser that loaded the page."""
        return bool(nonce) and same(self.form_token(nonce), token)


def same(one: str, other: str) -> bool:
    """Compare two secrets in a time that does not depend on their content."""
    return hmac.compare_digest(one.encode(), other.encode())


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
