"""The outermost layer: it checks each request first, and adds headers to each answer."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection

from ganns.dashboard import plain, policy
from ganns.dashboard.security.hosts import Hosts, is_own_origin
from ganns.dashboard.security.sessions import WebSessions

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

MAX_BODY = 64 * 1024
"""In bytes. The largest legitimate request is a login form."""
READING = ("GET", "HEAD")
log = logging.getLogger(__name__)


class TooLarge(Exception):
    """A request's body is longer than `MAX_BODY`."""


class Guard:
    """An ASGI application that wraps another one."""

    def __init__(self, app: App, *, sessions: WebSessions, hosts: Hosts, cookie: str) -> None:
        """Guard `app`.

        Args:
            app: the rest of the dashboard.
            sessions: the login sessions; `request.state.session` gets the session of a request.
            hosts: the dashboard's names.
            cookie: the name of the session cookie.
        """
        self._app, self._sessions, self._hosts, self._cookie = app, sessions, hosts, cookie

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request, or pass it to the application."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(raw=list(scope["headers"]))
        refused = self._refuse(scope, headers)
        if scope["type"] == "websocket":
            if refused is None:
                await self._app(scope, receive, send)
            else:
                await send({"type": "websocket.close", "code": 1008})  # before accepting: status 403
            return
        state = scope.setdefault("state", {})
        state["nonce"] = secrets.token_urlsafe(18)
        state["session"] = self._sessions.find(HTTPConnection(scope).cookies.get(self._cookie))
        answer = _Answer(send, policy.of_page(state["nonce"], headers.get("host", "")))
        if refused is not None:
            await refused(scope, receive, answer.send)
            return
        try:
            await self._app(scope, _limited(receive), answer.send)
        except TooLarge:
            if not answer.begun:
                await _too_large()(scope, receive, answer.send)
        except Exception as error:
            # The traceback goes to the terminal, not to the browser.
            log.error("%s %s failed", scope["method"], scope["path"], exc_info=error)
            if answer.begun:
                raise
            problem = plain.problem(
                500,
                "The dashboard has an error",
                "The dashboard's terminal shows the details. The training continues. Try again; if that does not help, "
                "restart the dashboard.",
            )
            await problem(scope, receive, answer.send)

    def _refuse(self, scope: Scope, headers: Headers) -> plain.Answer | None:
        """Return the answer that refuses a request, or None if it is allowed."""
        host, origin = headers.get("host", ""), headers.get("origin")
        if not self._hosts.is_ours(host):
            return plain.problem(
                421,
                "The dashboard does not know this name",
                f"The request was for {host[:100]!r}. If that is a name of the dashboard, start it with: "
                "ganns dashboard --hostname NAME",
            )
        foreign = origin is not None and not is_own_origin(origin, host, scope["scheme"])
        changing = scope["type"] == "http" and scope["method"] not in READING
        if foreign and (changing or scope["type"] == "websocket" or scope["path"].startswith("/_nicegui_ws")):
            return plain.problem(403, "This request came from another site", "Only the dashboard's pages may send it.")
        if changing and origin is None:
            return plain.problem(403, "This request has no origin", "An order needs an Origin header.")
        length = headers.get("content-length", "0")
        return None if length.isdecimal() and int(length) <= MAX_BODY else _too_large()


def _too_large() -> plain.Answer:
    return plain.problem(413, "This request is too large", f"At most {MAX_BODY // 1024} kB are allowed.")


def _limited(receive: Receive) -> Receive:
    """Limit the length of a body without a Content-Length header."""
    received = 0

    async def counted() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > MAX_BODY:
            raise TooLarge
        return message

    return counted


class _Answer:
    """Adds our headers to an answer."""

    def __init__(self, send: Send, page_policy: str) -> None:
        self._send, self._page_policy, self.begun = send, page_policy, False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            headers = MutableHeaders(raw=list(message.get("headers", [])))
            for name, value in policy.HEADERS.items():
                headers.setdefault(name, value)
            is_page = headers.get("content-type", "").startswith("text/html")
            headers.setdefault("content-security-policy", self._page_policy if is_page else policy.PLAIN)
            message = {**message, "headers": headers.raw}
        await self._send(message)
