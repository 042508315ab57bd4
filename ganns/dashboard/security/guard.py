"""The outermost layer: it looks at each request before anybody else does, and puts headers on each answer."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection

from ganns.dashboard import plain
from ganns.dashboard.security import policy
from ganns.dashboard.security.hosts import Hosts, is_own_origin
from ganns.dashboard.security.sessions import Sessions

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

MAX_BODY = 64 * 1024
"""Bytes. The largest request that we have is a password."""
READING = ("GET", "HEAD")
log = logging.getLogger(__name__)


class TooLarge(Exception):
    """A request's body went on and on."""


class Guard:
    """An ASGI application around another one."""

    def __init__(self, app: App, *, sessions: Sessions, hosts: Hosts, cookie: str) -> None:
        """Guard `app`.

        Args:
            app: the rest of the dashboard.
            sessions: who is logged in; a request's session is put into `request.state.session`.
            hosts: the dashboard's names.
            cookie: the name of the cookie that has the session.
        """
        self._app, self._sessions, self._hosts, self._cookie = app, sessions, hosts, cookie

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let the application do it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(raw=list(scope["headers"]))
        refused = self._refuse(scope, headers)
        if scope["type"] == "websocket":
            if refused is None:
                await self._app(scope, receive, send)
            else:
                await send({"type": "websocket.close", "code": 1008})  # before it was accepted: 403
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
            # A traceback is for this terminal, not for a browser.
            log.error("%s %s failed", scope["method"], scope["path"], exc_info=error)
            if answer.begun:
                raise
            problem = plain.problem(
                500,
                "Something went wrong in the dashboard",
                "What exactly is on the dashboard's terminal. The training does not notice. Try again; if it stays, "
                "start the dashboard again.",
            )
            await problem(scope, receive, answer.send)

    def _refuse(self, scope: Scope, headers: Headers) -> plain.Answer | None:
        """Return the answer to a request that goes no further, or None."""
        host, origin = headers.get("host", ""), headers.get("origin")
        if not self._hosts.is_ours(host):
            return plain.problem(
                421,
                "The dashboard has another name",
                f"It was asked for as {host[:100]!r}, which it was not told. If that is its name, start it with: "
                "ganns dashboard --hostname NAME",
            )
        foreign = origin is not None and not is_own_origin(origin, host, scope["scheme"])
        changing = scope["type"] == "http" and scope["method"] not in READING
        if foreign and (changing or scope["type"] == "websocket" or scope["path"].startswith("/_nicegui_ws")):
            return plain.problem(403, "That came from another site", "Only pages of the dashboard itself may do this.")
        if changing and origin is None:  # every browser sends it
            return plain.problem(403, "That came from nowhere", "An order has to say where it comes from.")
        length = headers.get("content-length", "0")
        return None if length.isdecimal() and int(length) <= MAX_BODY else _too_large()


def _too_large() -> plain.Answer:
    return plain.problem(413, "That is too much", "No request of the dashboard is that large.")


def _limited(receive: Receive) -> Receive:
    """Count the bytes of a body that does not say its length."""
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
    """Puts our headers on whatever is answered."""

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
