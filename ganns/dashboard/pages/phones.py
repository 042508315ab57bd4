"""The phones' GAN: `/phones` for the projector, `/phone` for a phone. Only with `ganns dashboard --phones`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from fastapi import Body, HTTPException, Request, Response
from nicegui import app, ui

from ganns.dashboard import plain, policy
from ganns.dashboard.components.phones_board import PhonesBoard
from ganns.dashboard.context import Dashboard
from ganns.dashboard.frame import frame, text
from ganns.dashboard.join import address_for_others, qr_code
from ganns.dashboard.phones import sockets
from ganns.dashboard.phones.coordinator import NO_DATABASE, Coordinator
from ganns.dashboard.phones.messages import MAX_NAME
from ganns.dashboard.phones.network import RECIPES
from ganns.dashboard.security.instructor import Ordering, page_session

PATH = "/phone"
ONLY_HERE = "No phone can reach this dashboard, since it listens on this machine alone. Start it with: "
FOLDER = Path(__file__).parents[1] / "components" / "lib" / "phones"
SCRIPTS = {path.stem: path.read_bytes() for path in FOLDER.glob("*.js")}
CONTENT = f"""<form id="join" class="card phone-join"><h1>Train a GAN together</h1>
<p>This phone computes gradients for the class. No installation, no login.</p>
<label for="name">Your name on the projector, or none</label>
<input id="name" maxlength="{MAX_NAME}" autocomplete="off">
<button type="submit">Join</button></form>
<section id="room" class="phone-room" hidden aria-labelledby="who">
<div class="card"><h1 id="who">A phone</h1><p id="says" role="status" aria-live="polite">Joining</p>
<canvas id="picture" role="img"
aria-label="What the class's GAN makes now, and where this phone's gradient pulls"></canvas></div>
<dl class="card phone-figures"><div><dt>version</dt><dd id="version">–</dd></div>
<div><dt>in time</dt><dd id="accepted">–</dd></div><div><dt>late</dt><dd id="late">–</dd></div>
<div><dt>phones</dt><dd id="phones">–</dd></div></dl>
<div class="card phone-slow"><label for="slow">My phone is slow</label> <output id="slowness" for="slow">0 s</output>
<input id="slow" type="range" min="0" max="30" step="0.5" value="0">
<button type="button" id="leave">Leave</button></div>
</section><script type="module" src="/phones/phone.js"></script>"""

Chosen = Annotated[str, Body(embed=True, pattern=f"^({'|'.join(RECIPES)})$")]
Percent = Annotated[int, Body(embed=True, ge=1, le=100)]


def register(dashboard: Dashboard, coordinator: Coordinator) -> None:
    """Serve the pages, their sockets and scripts, and accept the instructor's orders."""
    sockets.register(coordinator)

    @ui.page("/phones")
    async def projector(request: Request) -> None:
        session = page_session()
        others = address_for_others(str(request.base_url), dashboard.reach.listens)
        address = others and others + PATH
        with frame("Phones", "/phones"):
            with ui.element("section").classes("phones-head"):
                with ui.element("div"):
                    text("h1", "A GAN on everybody's phone")
                    if address is None:
                        with text("p", ONLY_HERE).classes("wrong"):
                            text("code", dashboard.reach.command)
                    else:
                        with text("p", "Join with your phone: ").classes("phones-join"):
                            text("a", address).props(f'href="{PATH}"')
                if address is not None:
                    code = ui.html(qr_code(address), sanitize=False)  # our own SVG
                    code.classes("phones-code").props(f'role="img" aria-label="QR code of {address}"')
            PhonesBoard(session.csrf if session else "")

    @app.get(PATH)
    async def phone(request: Request) -> Response:
        headers = {"Content-Security-Policy": policy.of_phone(request.headers.get("host", ""))}
        return plain.page("Phone", CONTENT, headers=headers)

    @app.get("/phones/{name}.js")
    async def script(name: str) -> Response:
        if name not in SCRIPTS:
            raise HTTPException(404, "There is no such script.")
        return Response(SCRIPTS[name], media_type="text/javascript", headers={"Cache-Control": "no-cache"})

    @app.post("/phones/order/begin")
    async def begin(recipe: Chosen, _: Ordering) -> dict[str, str]:
        with _or_try_again():
            await coordinator.begin(recipe)
        return {"text": f"A new run begins, {RECIPES[recipe].title}."}

    @app.post("/phones/order/wait")
    async def wait(percent: Percent, _: Ordering) -> dict[str, str]:
        with _or_try_again():
            await coordinator.wait_for(percent)
        return {"text": f"From the next round on, {percent} % of its results close a round."}


@contextmanager
def _or_try_again() -> Iterator[None]:
    """Answer with 503 if the database is away; an order is one transaction, so it changed nothing."""
    try:
        yield
    except NO_DATABASE:
        raise HTTPException(503, "The database does not answer, so nothing was changed. Try again.") from None
