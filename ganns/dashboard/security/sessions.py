"""Who is logged in.

A session is a random number of 256 bits in a cookie. There is nothing in it to be signed: it is valid while its digest
is here, so logging out ends it wherever it was copied to, and ending the dashboard ends all of them.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass, field

VALID_S = 12 * 3600.0
MAX_SESSIONS = 50
"""With more, the oldest ends."""


@dataclass(frozen=True)
class Session:
    """An instructor who is logged in."""

    until: float
    """In seconds of the monotonic clock."""
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    """What our own pages know and a foreign page does not."""


class Sessions:
    """The instructor's password, and the sessions that it opened. One event loop uses it."""

    def __init__(self, password: str) -> None:
        """Keep the password's digest, not the password."""
        self._password = _digest(password)
        self._secret = secrets.token_bytes(32)
        self._sessions: dict[bytes, Session] = {}

    def log_in(self, password: str) -> str | None:
        """Return the token of a new session, or None if that is not the password.

        The time that it takes says nothing about the password: digests of one length are compared, all of them.
        """
        if not hmac.compare_digest(_digest(password), self._password):
            return None
        token = secrets.token_urlsafe(32)
        while len(self._sessions) >= MAX_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        self._sessions[_digest(token)] = Session(time.monotonic() + VALID_S)
        return token

    def find(self, token: str | None) -> Session | None:
        """Return the session of a token, or None if there is none (any more)."""
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
        """Return what the login form carries for a browser with the cookie `nonce`; nothing is kept for it."""
        return hmac.new(self._secret, nonce.encode(), hashlib.sha256).hexdigest()

    def is_form_token(self, nonce: str, token: str) -> bool:
        """Tell whether a login form came from our own page, in the browser that it was sent to."""
        return bool(nonce) and same(self.form_token(nonce), token)


def same(one: str, other: str) -> bool:
    """Compare two secrets, in a time that does not depend on where they differ."""
    return hmac.compare_digest(one.encode(), other.encode())


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
