"""The instructor's login: a form without scripts."""

from __future__ import annotations

import logging
import math
import secrets
from html import escape
from urllib.parse import parse_qs

from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from nicegui import app

from ganns.dashboard import plain
from ganns.dashboard.context import Dashboard
from ganns.dashboard.security.attempts import Attempts
from ganns.dashboard.security.instructor import session_of
from ganns.dashboard.security.sessions import VALID_S, WebSessions, same

FORM_S = 3600
log = logging.getLogger(__name__)


def register(dashboard: Dashboard) -> None:
    """Serve `/login` and its form; `/logout` ends a session."""
    sessions, cookie, attempts = dashboard.sessions, dashboard.cookie, Attempts()
    form_cookie = f"{cookie}_form"

    @app.get("/login")
    async def login(request: Request) -> Response:
        if session_of(request) is not None:
            return RedirectResponse("/control", 303)
        return _form(request, sessions, form_cookie)

    @app.post("/login")
    async def log_in(request: Request) -> Response:
        address = request.client.host if request.client else ""
        form = await _fields(request)  # before the limit's check: until the failure is counted nothing waits
        if wait_s := attempts.wait_s(address):
            seconds = math.ceil(wait_s)
            return plain.problem(
                429,
                "Too many wrong passwords",
                f"Try again in {seconds} seconds. The password is on the terminal where the dashboard was started.",
                {"Retry-After": str(seconds)},
            )
        if not sessions.is_form_token(request.cookies.get(form_cookie, ""), form.get("csrf", "")):
            return _form(request, sessions, form_cookie, "The form was out of date. Type the password again.", 403)
        token = sessions.log_in(form.get("password", ""))
        if token is None:
            attempts.count(address)
            log.warning("A wrong password from %s", address)
            return _form(request, sessions, form_cookie, "Wrong password. Try again.", 403)
        sessions.end(request.cookies.get(cookie))
        response = RedirectResponse("/control", 303)
        response.delete_cookie(form_cookie)
        _set_cookie(response, request, cookie, token, int(VALID_S))
        return response

    @app.post("/logout")
    async def log_out(request: Request) -> Response:
        session, form = session_of(request), await _fields(request)
        if session is not None:
            if not same(form.get("csrf", ""), session.csrf):
                return plain.problem(403, "The page was out of date", "Load it again, and log out there.")
            sessions.end(request.cookies.get(cookie))
        response = RedirectResponse("/", 303)
        response.delete_cookie(cookie)
        return response


def _form(request: Request, sessions: WebSessions, cookie: str, said: str = "", status: int = 200) -> Response:
    nonce = secrets.token_urlsafe(18)
    alert = f'<p role="alert" class="wrong">{escape(said)}</p>' if said else ""
    content = f"""<form class="card login" method="post" action="/login"><h1>Log in as instructor</h1>
<p>Viewers need no login.</p>{alert}
<input type="hidden" name="csrf" value="{sessions.form_token(nonce)}">
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required autofocus maxlength="200">
<button type="submit">Log in</button>
<p class="soft">The password is on the terminal where the dashboard was started, or in its GANNS_DASHBOARD_PASSWORD.</p>
</form>
<p><a href="/">Go to the run that is being trained</a></p>"""
    response = plain.page("Log in", content, status)
    _set_cookie(response, request, cookie, nonce, FORM_S)
    return response


def _set_cookie(response: Response, request: Request, name: str, value: str, max_age: int) -> None:
    secure = request.url.scheme == "https"
    response.set_cookie(name, value, max_age=max_age, path="/", secure=secure, httponly=True, samesite="strict")


async def _fields(request: Request) -> dict[str, str]:
    """Return the fields of a form; the guard limits its length."""
    text = (await request.body()).decode("utf-8", "replace")
    return {name: values[0] for name, values in parse_qs(text, max_num_fields=10).items()}
